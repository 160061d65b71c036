"""Measures of ranked lists, per user first, so that every mean can carry an interval.

With h the 0/1 relevance of a list and t a user's targets (reachable or not):
HR@k = any hit in the first k; recall@k = hits in the first k / t;
NDCG@k = sum of h_i / log2(i + 1) over the first k / the same sum of a perfect list;
MRR = 1 / rank of the first hit within `depth`, else 0. Coverage is a property of all lists
together: the share of candidates that appear in any of them within `depth` (paper section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from colisten.ranking.ragged import Ragged

COVERAGE = "coverage"
BLOCK = 1 << 16
"""Users measured at once."""


def user_metric_names(k: int) -> tuple[str, ...]:
    """Names of the per-user measures, in the order of `user_metrics`."""
    return (f"HR@{k}", "MRR", f"recall@{k}", f"NDCG@{k}")


def metric_names(k: int) -> tuple[str, ...]:
    """Names of all measures, in the order of the table."""
    hit_rate, mrr, recall, ndcg = user_metric_names(k)
    return (hit_rate, mrr, COVERAGE, recall, ndcg)


def hit_matrix(items: np.ndarray, targets: Ragged) -> np.ndarray:
    """Which places of each list hold a target.

    Args:
        items: int [U, depth], best first; -1 where a list has ended.
        targets: U lists in the same order.

    Returns:
        bool [U, depth].
    """
    if not items.size or not len(targets.values):
        return np.zeros(items.shape, dtype=bool)
    width = int(max(items.max(), targets.values.max())) + 1
    wanted = targets.rows * width + targets.values  # ascending, as rows and values are
    given = np.arange(len(items), dtype=np.int64)[:, None] * width + items
    place = np.minimum(np.searchsorted(wanted, given), len(wanted) - 1)
    hits: np.ndarray = (wanted[place] == given) & (items >= 0)
    return hits


def user_metrics(hits: np.ndarray, num_targets: np.ndarray, k: int) -> np.ndarray:
    """Every per-user measure of every user.

    Args:
        hits: bool [U, depth], from `hit_matrix`.
        num_targets: int [U], at least 1 each.
        k: Cut-off of hit rate, recall and NDCG; at most `depth`.

    Returns:
        float64 [U, 4], columns as in `user_metric_names`.
    """
    users, depth = hits.shape
    if not depth:
        return np.zeros((users, 4))
    ranks = np.arange(1, depth + 1)
    discounts = 1.0 / np.log2(ranks + 1.0)
    top = hits[:, :k]
    any_hit = hits.any(axis=1)
    reciprocal = np.where(any_hit, 1.0 / (hits.argmax(axis=1) + 1.0), 0.0)
    # A perfect list begins with all targets, so it gains the first min(k, t) discounts.
    ideal = np.cumsum(1.0 / np.log2(np.arange(1, k + 1) + 1.0))
    perfect = ideal[np.minimum(num_targets, k) - 1]
    return np.stack(
        [
            top.any(axis=1).astype(np.float64),
            reciprocal,
            top.sum(axis=1) / num_targets,
            top @ discounts[:k] / perfect,
        ],
        axis=1,
    )


@dataclass(frozen=True, eq=False)
class Coverage:
    """Catalogue coverage of one model over some users.

    Attributes:
        value: Share of candidates in any list.
        alone: float64 [U]; what coverage loses without each user: the share of candidates that
            only this user's list holds.
    """

    value: float
    alone: np.ndarray


def catalogue_coverage(
    items: np.ndarray,
    num_candidates: int,
    *,
    rows: np.ndarray | None = None,
    among: np.ndarray | None = None,
) -> Coverage:
    """Coverage of lists int [U, depth] (-1 where a list has ended) over `num_candidates`.

    Args:
        items: Lists, read a block of users at a time.
        num_candidates: What could have been shown.
        rows: Users that count, int64 [R]; None for all.
        among: bool [num_target], items that count; None for all.
    """
    rows = np.arange(len(items)) if rows is None else rows
    alone = np.zeros(len(rows))
    if not num_candidates or not items.size:
        return Coverage(0.0, alone)
    counts = np.zeros(1, dtype=np.int64)
    for _, shown in _shown(items, rows, among):
        fresh = np.bincount(shown[shown >= 0], minlength=len(counts))
        fresh[: len(counts)] += counts
        counts = fresh
    for start, shown in _shown(items, rows, among):
        rare = (shown >= 0) & (counts[np.maximum(shown, 0)] == 1)
        alone[start : start + len(shown)] = rare.sum(axis=1) / num_candidates
    return Coverage(float((counts > 0).sum()) / num_candidates, alone)


def _shown(
    items: np.ndarray, rows: np.ndarray, among: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of lists with -1 for items that do not count, each with where it starts."""
    for start in range(0, len(rows), BLOCK):
        shown = np.asarray(items[rows[start : start + BLOCK]])
        if among is not None:
            shown = np.where(np.append(among, False)[shown], shown, -1)
        yield start, shown
