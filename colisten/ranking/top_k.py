"""The best k items of every user, in blocks that bound memory.

Equal scores rank by position in the catalogue, lower first, so a list does not depend on the
block size, on threads or on the order in which a selection algorithm visits items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from colisten.errors import EvaluationError
from colisten.progress import track
from colisten.ranking.eligible import EligibleUsers

Scorer = Callable[[np.ndarray], np.ndarray]
"""Rows of users (int64 [b]) to scores (float32 [b, num_target])."""


@dataclass(frozen=True, eq=False)
class RankedBlock:
    """The lists of some users.

    Attributes:
        rows: int64 [b], which users.
        items: int32 [b, k], best first; -1 behind a user's last candidate.
        scores: float32 [b, k]; -inf where there is no item.
    """

    rows: np.ndarray
    items: np.ndarray
    scores: np.ndarray


def top_k(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest scores of each row and where they are; ties by position, lower first.

    Args:
        scores: float32 [b, n]; -inf marks what may not be chosen.
        k: Length of a list; rows with fewer choices end in -1.

    Returns:
        Positions int32 [b, k] and scores float32 [b, k].

    Raises:
        EvaluationError: A score is nan.
    """
    rows, n = scores.shape
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise EvaluationError(f"The score of row {row} for item {column} is not a number.")
    items = np.full((rows, k), -1, dtype=np.int32)
    best = np.full((rows, k), -np.inf, dtype=np.float32)
    depth = min(k, n)
    if not rows or not depth:
        return items, best
    positions = np.tile(np.arange(depth), (rows, 1))
    if n > depth:
        # Row by row: positions of a whole block take twice the memory of its scores.
        for row in range(rows):
            last = np.partition(scores[row], n - depth)[n - depth]
            above = np.flatnonzero(scores[row] > last)
            level = np.flatnonzero(scores[row] == last)[: depth - len(above)]
            positions[row] = np.sort(np.concatenate([above, level]))
    values = np.take_along_axis(scores, positions, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best[:, :depth] = np.take_along_axis(values, order, axis=1)
    items[:, :depth] = np.take_along_axis(positions, order, axis=1)
    items[best == -np.inf] = -1
    return items, best


def ranked_blocks(
    scorer: Scorer,
    users: EligibleUsers,
    k: int,
    *,
    block_megabytes: int = 256,
    label: str = "ranking",
) -> Iterator[RankedBlock]:
    """Rank what may be shown to users, a block of users at a time.

    Args:
        scorer: Scores of a block of users over all items of the target type.
        users: Who, in the order wanted.
        k: Length of a list.
        block_megabytes: Memory of the block of scores and of the copy that is masked.
        label: What the progress bar calls the work.

    Raises:
        EvaluationError: The scorer gave another shape or a nan.
    """
    n, rows = len(users.available), np.arange(len(users), dtype=np.int64)
    size = max(1, (block_megabytes << 20) // max(1, 2 * 4 * n))
    starts = range(0, len(rows), size)
    closed = np.flatnonzero(~users.available)
    for start in track(starts, label):
        block = rows[start : start + size]
        scores = np.array(scorer(block), dtype=np.float32)
        if scores.shape != (len(block), n):
            raise EvaluationError(
                f"{label}: scores are {scores.shape}, expected {(len(block), n)}.",
                "A ranker scores every item of the target type.",
            )
        scores[:, closed] = -np.inf
        hidden = users.exclusions.take(block)
        scores[hidden.rows, hidden.values] = -np.inf
        items, best = top_k(scores, k)
        yield RankedBlock(block, items, best)
