"""Whom the model is asked about, and what it may answer: the data behind an explanation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from colisten.evaluation.split import EvaluationSet
from colisten.ranking.eligible import EligibleUsers
from colisten.ranking.ragged import Ragged

_BLOCK_BYTES = 64 << 20

Logits = Callable[[np.ndarray], np.ndarray]
"""Rows of users (int64 [b]) to logits (float32 [b, n]); -inf where an item is no candidate."""


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
