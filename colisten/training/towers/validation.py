"""When to stop training the towers: what they make of the latest rows, which they have not seen."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from colisten.models.towers import TwoTowers
from colisten.settings.sections import TowerSettings
from colisten.training.towers.checkpoint import Curve
from colisten.training.towers.held_out import HeldOut
from colisten.training.towers.knn_weights import search_weights

# Columns of the curve that hold a weight of the kNN term begin so.
KNN_TERM = "knn_term_"
FIRST_TEXT = 4.0


def validate(
    towers: TwoTowers, held_out: HeldOut, settings: TowerSettings, k: int, start: Sequence[float]
) -> dict[str, float]:
    """How high held-out examples rank their item, as a release made before them would.

    Args:
        towers: The model.
        held_out: Examples.
        settings: The loss.
        k: Length of the list behind the hit rate.
        start: Weights of the kNN term to search from.

    Returns:
        validation_mrr with its standard error validation_mrr_error, validation_hit_rate, where
        logits are learned validation_loss (softmax over the candidates at the learned temperature,
        without kNN term), and the weight knn_term_* of each part of that.
    """
    was_training = towers.training
    towers.eval()
    with torch.inference_mode():
        scores = held_out.scores(towers)
        loss = functional.cross_entropy(scores, held_out.own)
        parts = held_out.knn_terms(towers)
        weights, reciprocal = search_weights(held_out, held_out.hide(scores), parts, start)
    towers.train(was_training)
    hits = (reciprocal * k >= 1 - 1e-9).double()
    figures = {
        "validation_mrr": float(reciprocal.mean()),
        "validation_mrr_error": float(reciprocal.std(correction=0)) / math.sqrt(len(reciprocal)),
        "validation_hit_rate": float(hits.mean()),
    }
    if settings.learns_logits:
        figures["validation_loss"] = float(loss)
    if towers.user.knn_term:
        for name, weight in zip(towers.user.knn_term.names, weights, strict=True):
            figures[f"{KNN_TERM}{name}"] = weight
    return figures


def knn_weights_of(point: dict[str, float], names: Sequence[str]) -> list[float]:
    """Weights of the kNN term at a point of the curve; where it has none, those to start from.

    People return to near copies of what they know: nearness in text to the history of the target
    type, which `KnnTermLayout.names` begins with, is there until held-out rows speak against it.
    """
    first = {name: FIRST_TEXT for name in names[:1] if name.endswith("_text")}
    return [point.get(f"{KNN_TERM}{name}", first.get(name, 0.0)) for name in names]


def best_epoch(curve: Curve) -> int:
    """The epoch of `best_point`."""
    return int(best_point(curve)["epoch"])


def best_point(curve: Curve) -> dict[str, float]:
    """The last epoch that ranks as well as the best, to half a standard error; empty without any.

    Half, because epochs are compared on the same rows: their ranks go together, and the error of
    a difference is about half the error of one. Held-out rows cannot tell such epochs apart, but
    they are not alike: the earlier one lists the popular, the later one knows tastes and shows
    more of the catalogue.
    """
    judged = [point for point in curve if "validation_mrr" in point]
    return max((p for p in judged if not _worse(p, judged)), key=_epoch, default={})


def epochs_behind(curve: Curve) -> int:
    """How many epochs the last has been worse than the best, as `best_point` sees it."""
    judged = [point for point in curve if "validation_mrr" in point]
    return len(judged) and int(judged[-1]["epoch"] - best_point(judged)["epoch"])


def _worse(point: dict[str, float], judged: Curve) -> bool:
    best = max(judged, key=lambda one: one["validation_mrr"])
    return point["validation_mrr"] < best["validation_mrr"] - best["validation_mrr_error"] / 2


def _epoch(point: dict[str, float]) -> float:
    return point["epoch"]
