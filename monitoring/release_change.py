"""A release beside the one before it, on the same users: vectors, scores and lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from colisten.features.users import UserBatch
from colisten.models.onnx_tower import OnnxUserTower
from colisten.monitoring.check import Check
from colisten.monitoring.limits import ENOUGH, Limit, level
from colisten.monitoring.profile import WindowProfile

TOP = 10
_BLOCK = 1024

# Fixed limits: what a release that learned the same world anew stays far away from.
_LEAST_OVERLAP = 0.02
_COVERAGE_RATIO, _GINI_RISE, _NEW_SHARE = 0.5, 0.15, 0.8
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True, eq=False)
class Shown:
    """What one release shows some users.

    Attributes:
        items: object [users, <= TOP], ids of the items with the best scores, best first.
        scores: float64 [users, <= TOP], their inner products.
        vectors: float32 [users, dim].
        catalogue: Ids of all items that could be shown.
    """

    items: np.ndarray
    scores: np.ndarray
    vectors: np.ndarray
    catalogue: Sequence[str]

    @classmethod
    def of(cls, tower: OnnxUserTower, item_ids: np.ndarray, users: UserBatch) -> Shown:
        """By exact inner products, nothing left out.

        Args:
            tower: Of the release.
            item_ids: object [num_target], in the order of its item vectors.
            users: As its specification reads them.
        """
        vectors = tower.user_vectors(users)
        top = min(TOP, len(item_ids))
        places = np.empty((len(vectors), top), dtype=np.int64)
        scores = np.empty((len(vectors), top))
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK] @ tower.item_vectors.T
            order = np.argsort(-block, axis=1, kind="stable")[:, :top]
            places[start : start + len(block)] = order
            scores[start : start + len(block)] = np.take_along_axis(block, order, axis=1)
        return cls(item_ids[places], scores, vectors, item_ids.tolist())


def release_change(before: Shown, now: Shown) -> dict[str, float]:
    """Figures of both on the same users, in the same order.

    Returns:
        `overlap`: mean share of a user's list that both show; `coverage`, `coverage_before`: share
        of the catalogue that anybody is shown; `gini`, `gini_before`: how unequally often its
        items are shown; `new_items`: share of what is shown that the release before did not have;
        `score`, `score_before`: mean best score; `spread`, `spread_before`: standard deviation of
        users' vectors around their mean; `geometry`: how alike the users lie to each other, 1
        where equal (linear CKA).
    """
    shared = [
        len(set(mine) & set(theirs)) / max(len(mine), 1)
        for mine, theirs in zip(now.items.tolist(), before.items.tolist(), strict=True)
    ]
    known = set(before.catalogue)
    shown = now.items.ravel().tolist()
    figures = {
        "overlap": float(np.mean(shared)) if shared else 0.0,
        "new_items": sum(item not in known for item in shown) / max(len(shown), 1),
        "geometry": _alike(before.vectors, now.vectors),
    }
    for one, suffix in ((now, ""), (before, "_before")):
        counts = _times_shown(one)
        figures[f"coverage{suffix}"] = float((counts > 0).mean()) if len(counts) else 0.0
        figures[f"gini{suffix}"] = _gini(counts)
        best = one.scores[:, 0] if one.scores.shape[1] else np.zeros(0)
        figures[f"score{suffix}"] = float(best.mean()) if best.size else 0.0
        around = one.vectors - one.vectors.mean(axis=0) if len(one.vectors) else one.vectors
        figures[f"spread{suffix}"] = float(np.sqrt((around**2).mean())) if around.size else 0.0
    return figures


def change_checks(
    earlier: Sequence[WindowProfile], figures: dict[str, float], users: int, least_users: int
) -> Iterator[Check]:
    """Overlap, coverage, inequality, new items and spread beside those of earlier releases."""
    if not figures:
        return
    past = [one.release_change for one in earlier if one.release_change]
    rules = (
        ("overlap", _LEAST_OVERLAP, None, "of a user's list is that of the release before"),
        (
            "coverage",
            _COVERAGE_RATIO * figures["coverage_before"],
            None,
            f"of the catalogue is shown to anybody (was {figures['coverage_before']:.3f})",
        ),
        (
            "gini",
            None,
            min(0.999, figures["gini_before"] + _GINI_RISE),
            f"is the Gini index of how often items are shown (was {figures['gini_before']:.3f})",
        ),
        ("new_items", None, _NEW_SHARE, "of what is shown is new in the catalogue"),
        ("spread", _LEAST_SPREAD, None, "is the spread of users' vectors"),
    )
    for name, low, high, words in rules:
        says = f"{figures[name]:.3f} {words}"
        if users < least_users:
            yield Check.not_judged("release", name, figures[name], says)
            continue
        values = [one[name] for one in past if name in one]
        limit = Limit(figures.get(f"{name}_before"), low, high, "fixed")
        if len(values) >= ENOUGH:
            learned = level(values, least=0.1, chance=0.0, fixed=0.5, rises_only=False)
            limit = Limit(
                learned.usual,
                None if low is None else learned.low,
                None if high is None else learned.high,
                "windows",
            )
        yield Check.of_limit("release", name, figures[name], limit, says)


def _times_shown(one: Shown) -> np.ndarray:
    """How often each item of the catalogue is shown, int64 [items]."""
    place = {item: at for at, item in enumerate(one.catalogue)}
    shown = np.array([place[item] for item in one.items.ravel().tolist()], dtype=np.int64)
    return np.bincount(shown, minlength=len(place))


def _gini(counts: np.ndarray) -> float:
    """0 where all are shown equally often, near 1 where one item is shown alone."""
    if not len(counts) or not counts.sum():
        return 0.0
    ordered = np.sort(counts).astype(np.float64)
    ranks = np.arange(1, len(ordered) + 1)
    return float((2 * ranks - len(ordered) - 1).dot(ordered) / (len(ordered) * ordered.sum()))


def _alike(before: np.ndarray, now: np.ndarray) -> float:
    """Linear CKA of two sets of vectors of the same users; 0 where one has no spread."""
    if not len(before):
        return 0.0
    x = np.asarray(before, dtype=np.float64) - before.mean(axis=0)
    y = np.asarray(now, dtype=np.float64) - now.mean(axis=0)
    own = float(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    return float(np.linalg.norm(x.T @ y) ** 2 / own) if own > 0 else 0.0
