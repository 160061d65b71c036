"""When to stop training the towers: what they make of the latest rows, which they have not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional

from colisten.config import Settings
from colisten.data.moments import from_microseconds
from colisten.models.towers import TwoTowers
from colisten.training.towers.checkpoint import Curve
from colisten.training.towers.held_out import HeldOut
from colisten.training.towers.knn_weights import search_weights

# Columns of the curve that hold a weight of the kNN term begin so.
KNN_TERM = "knn_term_"
FIRST_TEXT = 4.0


def validate(
    towers: TwoTowers, held_out: HeldOut, settings: Settings, knn_term: Sequence[float]
) -> dict[str, float]:
    """How high held-out examples rank their item, as a release made before them would.

    Args:
        towers: The model.
        held_out: Examples.
        settings: `evaluation.k` and the loss.
        knn_term: Weights of the kNN term to search from.

    Returns:
        validation_mrr with its standard error validation_mrr_error, validation_hit_rate (at
        evaluation.k), for the softmax loss validation_loss (softmax over the candidates at the
        learned temperature, without kNN term), and the weight knn_term_* of each of its parts.
    """
    was_training = towers.training
    towers.eval()
    with torch.inference_mode():
        scores = held_out.scores(towers)
        loss = functional.cross_entropy(scores, held_out.own)
        knn_terms = held_out.knn_terms(towers)
        weights, reciprocal = search_weights(held_out, held_out.hide(scores), knn_terms, knn_term)
    towers.train(was_training)
    hits = (reciprocal * settings.evaluation.k >= 1 - 1e-9).double()
    figures = {
        "validation_mrr": float(reciprocal.mean()),
        "validation_mrr_error": float(reciprocal.std(correction=0)) / math.sqrt(len(reciprocal)),
        "validation_hit_rate": float(hits.mean()),
    }
    if settings.towers.loss == "sampled_softmax":
        figures["validation_loss"] = float(loss)
    if towers.user.knn_term:
        for name, weight in zip(towers.user.knn_term.names, weights, strict=True):
            figures[f"{KNN_TERM}{name}"] = weight
    return figures


def knn_weights_of(point: dict[str, float], names: Sequence[str]) -> list[float]:
    """Weights of the kNN term at a point of the curve; where it has none, those to start from.

    People return to near copies of what they had: nearness in text to the history of the target
    type, which `KnnTermLayout.names` begins with, is there until held-out rows speak against it.
    """
    first = {name: FIRST_TEXT for name in names[:1] if name.endswith("_text")}
    return [point.get(f"{KNN_TERM}{name}", first.get(name, 0.0)) for name in names]


def split_in_time(times: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows before and from the moment after which about `share` of the rows lie.

    Rows of one moment stay together. Both parts are empty of the other's moments; the second is
    empty where the rows span too little time to be split.

    Args:
        times: Ascending int64 [N].
        share: Share of rows held out.
    """
    every = np.arange(len(times))
    wanted = round(len(times) * share)
    if not wanted:
        return every, every[:0]
    first = int(np.searchsorted(times, times[-wanted], side="left"))
    if first == 0:
        first = int(np.searchsorted(times, times[0], side="right"))
    return (every[:first], every[first:])


def held_out_moment(streams: pa.ChunkedArray, share: float) -> datetime | None:
    """When the held-out rows begin, for a graph that ends there; None where none are held out.

    Args:
        streams: Moment of each training row, in any order.
        share: `towers.validation_share`.
    """
    times = np.sort(streams.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy())
    _, held_out = split_in_time(times, share) if len(times) else (times, times)
    if not len(held_out):
        return None
    return from_microseconds(times[held_out[0]])


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
