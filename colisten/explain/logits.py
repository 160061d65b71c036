"""Whom the model is asked about, what it may answer, and its scores as logits.

How an inner product of served vectors becomes a logit says `colisten.models.vector_layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime

from colisten.errors import ReleaseError
from colisten.evaluation.split import EvaluationSet
from colisten.features.transform import UserFeatureSpec
from colisten.json_files import read_mapping
from colisten.models.items import ItemFeatureSpec
from colisten.models.vector_layout import VectorLayout
from colisten.ranking.eligible import EligibleUsers
from colisten.ranking.ragged import Ragged

_ROWS = 4096
_TINY = 1e-12
_BLOCK_BYTES = 64 << 20

Logits = Callable[[np.ndarray], np.ndarray]
"""Rows of users (int64 [b]) to logits (float32 [b, n]); -inf where an item is no candidate."""


class ServedTowers:
    """The ONNX towers of a towers folder.

    Attributes:
        user_spec: Meaning of the user tower's input.
        item_spec: Meaning of the item tower's input.
        layout: What the columns of their vectors are.
        taste_dim: Leading columns of a vector that hold taste.
        members: Pairs of towers that voted; an item's taste is a unit vector of each.
        temperature: Of the softmax they were trained with, their harmonic mean.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Open `folder` (see docs/architecture.md, towers folder).

        Raises:
            ReleaseError: A file is missing or unreadable.
        """
        try:
            spec = read_mapping(folder / "spec.json")
            self.user_spec = UserFeatureSpec.model_validate(spec["user"])
            self.item_spec = ItemFeatureSpec.model_validate(spec["item"])
            self.layout = VectorLayout.of(spec)
            self.taste_dim, self.members = self.layout.taste, self.layout.members
            self.temperature = self.layout.temperature
            self._user = _session(folder / "user_tower.onnx", threads)
            self._item = _session(folder / "item_tower.onnx", threads)
        except KeyError as error:
            raise ReleaseError(
                f"The towers in {folder} do not say {error}: an older version made them.",
                "Make a release with this version to explain it.",
            ) from error
        except (OSError, ValueError, RuntimeError) as error:
            raise ReleaseError(f"Cannot read the towers in {folder}: {error}.") from error

    def users(self, features: np.ndarray) -> np.ndarray:
        """Unit vectors [B, dim] of encoded users [B, user_spec.width], float32."""
        return _run(self._user, features)

    def items(self, features: np.ndarray) -> np.ndarray:
        """Unit vectors [n, dim] of encoded items [n, item_spec.width], float32."""
        return _run(self._item, features)

    def taste(self, vectors: np.ndarray) -> np.ndarray:
        """The taste part of vectors [n, dim], unit length again, float32 [n, taste_dim]."""
        part = np.asarray(vectors[:, : self.taste_dim], dtype=np.float32)
        unit: np.ndarray = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), _TINY)
        return unit

    def logits(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """What the softmax of training is taken over, float32 [B, n].

        The order of a user's items is that of the inner products.

        Args:
            users: Unit vectors [B, dim].
            items: Unit vectors [n, dim].
        """
        return self.layout.logits(users @ items.T, users)


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        file.read_bytes(), options, providers=["CPUExecutionProvider"]
    )


def _run(session: onnxruntime.InferenceSession, features: np.ndarray) -> np.ndarray:
    blocks = [
        session.run(["vectors"], {"features": features[start : start + _ROWS]})[0]
        for start in range(0, max(len(features), 1), _ROWS)
    ]
    return np.concatenate(blocks, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class UserSample:
    """Users, the items they may be shown, and what they streamed in the window.

    Items are positions within the catalogue's slice of the target type.

    Attributes:
        user_ids: object [U].
        warm: bool [U]; any signal on the target type before the cut.
        exclusions: By user, items never shown to them.
        available: bool [n_target]; candidates at the cut.
        targets: By user, candidates streamed first in the window; all empty where there is no
            window to look at.
        unreachable: Streams of the window, over all its users, that no candidate could answer.
    """

    user_ids: np.ndarray
    warm: np.ndarray
    exclusions: Ragged
    available: np.ndarray
    targets: Ragged
    unreachable: int = 0

    @classmethod
    def of(cls, people: EligibleUsers, *, most_users: int, seed: int) -> UserSample:
        """At most `most_users` users, drawn by `seed`; of a window those with a target."""
        targets = Ragged.empty(len(people))
        unreachable = 0
        rows = np.arange(len(people))
        if isinstance(people, EvaluationSet):
            targets, unreachable = people.targets, people.unreachable
            rows = np.flatnonzero(targets.counts)
        whole = cls(
            people.user_ids,
            people.warm,
            people.exclusions,
            people.available,
            targets,
            unreachable,
        )
        if len(rows) > most_users:
            rows = np.sort(np.random.default_rng(seed).choice(rows, most_users, replace=False))
        return whole.take(rows)

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def answered(self) -> bool:
        """Whether there is anything to measure answers against."""
        return bool(len(self.targets.values))

    def take(self, rows: np.ndarray) -> UserSample:
        """The part about some users, int64 [R]."""
        return replace(
            self,
            user_ids=self.user_ids[rows],
            warm=self.warm[rows],
            exclusions=self.exclusions.take(rows),
            targets=self.targets.take(rows),
        )

    def blocks(self) -> Iterator[np.ndarray]:
        """Rows of users in blocks whose logits stay small, int64 each."""
        size = max(1, _BLOCK_BYTES // (4 * max(1, len(self.available))))
        for start in range(0, len(self), size):
            yield np.arange(start, min(start + size, len(self)))

    def masked(self, logits: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Logits [b, n_target] of users `rows` with -inf at what they may not be shown."""
        out = np.array(logits, dtype=np.float32)
        out[:, ~self.available] = -np.inf
        hidden = self.exclusions.take(rows)
        out[hidden.rows, hidden.values] = -np.inf
        return out


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities of each row, float64 [b, n]; -inf stays -inf."""
    top = logits.max(axis=1, keepdims=True, initial=-np.inf).astype(np.float64)
    shifted = logits - np.where(np.isfinite(top), top, 0.0)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        out: np.ndarray = shifted - np.log(total)
    return out
