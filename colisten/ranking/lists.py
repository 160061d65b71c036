"""Ranked lists as a thing of their own: made once, kept on disk, measured as often as wanted.

Several trainings of one model are several lists of the same users, which only meet after each has
been ranked where its vectors were. So lists are saved, and `table.evaluate_lists` measures them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from colisten.errors import EvaluationError
from colisten.files import write_aside
from colisten.json_files import read_mapping, write_json
from colisten.ranking.eligible import EligibleUsers
from colisten.ranking.rankers import Ranker
from colisten.ranking.top_k import ranked_blocks
from colisten.settings.sections import EvaluationSettings

FORMAT = 1
_INDEX = "lists.json"


@dataclass(frozen=True, eq=False)
class Lists:
    """The best items of every user under every model.

    Attributes:
        by_model: int32 [U, depth] by name, positions among the items of the target type, best
            first, -1 behind a user's last candidate.
        users: `users_digest` of the users, who are the rows.
        num_items: Items of the target type, candidates or not.
    """

    by_model: Mapping[str, np.ndarray]
    users: str
    num_items: int

    @property
    def models(self) -> tuple[str, ...]:
        """Names, in order."""
        return tuple(self.by_model)

    def __getitem__(self, model: str) -> np.ndarray:
        """Lists of one model, int32 [U, depth].

        Raises:
            EvaluationError: There is no such model.
        """
        if model not in self.by_model:
            raise EvaluationError(
                f"There are no lists of the model '{model}'.",
                f"There are those of {', '.join(self.models)}.",
            )
        return self.by_model[model]

    def check(self, users: EligibleUsers) -> None:
        """Refuse users or a catalogue that these lists were not made for.

        Raises:
            EvaluationError: They are not the same.
        """
        if self.users != users_digest(users.user_ids):
            raise EvaluationError(
                f"The lists were made for other users than these {len(users):,}.",
                "Measure lists on the window, the cut and the tables they were ranked for.",
            )
        if self.num_items != len(users.available):
            raise EvaluationError(
                f"The lists are of {self.num_items:,} items of the target type, the catalogue has "
                f"{len(users.available):,}.",
                "Measure lists on the catalogue they were ranked from.",
            )

    @classmethod
    def load(cls, folder: Path) -> Lists:
        """Open lists that `rank_lists` wrote; the arrays stay on disk and are mapped into memory.

        Raises:
            EvaluationError: The folder holds no lists, or lists of another format.
        """
        index = folder / _INDEX
        if not index.exists():
            raise EvaluationError(
                f"{folder} holds no ranked lists ({_INDEX} is missing).",
                "Pass the `lists` folder that an evaluate step wrote.",
            )
        saved = read_mapping(index)
        if saved.get("format") != FORMAT:
            raise EvaluationError(
                f"{index} has format {saved.get('format')}, this version reads {FORMAT}.",
                "Rank again with this version.",
            )
        return cls(
            {
                model: np.load(folder / _file(at), mmap_mode="r", allow_pickle=False)
                for at, model in enumerate(saved["models"])
            },
            saved["users"],
            saved["num_items"],
        )


def rank_lists(
    rankers: Sequence[Ranker],
    users: EligibleUsers,
    settings: EvaluationSettings,
    *,
    folder: Path | None = None,
) -> Lists:
    """The best `evaluation.depth` items of every user under every ranker.

    Args:
        rankers: Models; their rows are those of `users`.
        users: Who, with candidates and exclusions.
        settings: `depth` and `block_megabytes` are used.
        folder: Where to write the lists while they are made, so that memory holds a block of
            scores only; None keeps them in memory.

    Raises:
        EvaluationError: There is no ranker, two share a name, or scores are wrong.
    """
    names = [ranker.name for ranker in rankers]
    if not names or len(set(names)) < len(names):
        raise EvaluationError(
            f"The models to evaluate are {names}.", "Give at least one, each with its own name."
        )
    digest, num_items = users_digest(users.user_ids), len(users.available)
    shape = (len(users), settings.depth)
    made: dict[str, np.ndarray] = {}
    with write_aside(folder) if folder is not None else nullcontext() as aside:
        if aside is not None:
            aside.mkdir()
        for at, ranker in enumerate(rankers):
            items = _room(aside / _file(at) if aside is not None else None, shape)
            for block in ranked_blocks(
                ranker.scores,
                users,
                settings.depth,
                block_megabytes=settings.block_megabytes,
                label=ranker.name,
            ):
                items[block.rows] = block.items
            if aside is None:
                made[ranker.name] = items
        if aside is not None:
            index = {"models": names, "users": digest, "num_items": num_items}
            write_json(aside / _INDEX, {"format": FORMAT, **index})
    return Lists.load(folder) if folder is not None else Lists(made, digest, num_items)


def users_digest(user_ids: np.ndarray) -> str:
    """SHA-256 over user ids in their order, in hex."""
    digest = hashlib.sha256()
    for user_id in user_ids:
        name = str(user_id).encode()
        digest.update(len(name).to_bytes(4, "little") + name)
    return digest.hexdigest()


def _room(file: Path | None, shape: tuple[int, int]) -> np.ndarray:
    if file is None:
        return np.full(shape, -1, dtype=np.int32)
    return np.lib.format.open_memmap(file, mode="w+", dtype=np.int32, shape=shape)


def _file(at: int) -> str:
    # Names of models hold spaces and brackets; positions are safe on every file system.
    return f"{at:03d}.npy"
