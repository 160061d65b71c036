"""When to stop training the towers: what they make of the latest rows, which they have not seen."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from colisten.config import Settings
from colisten.features.popularity import day_of
from colisten.models.towers import TwoTowers
from colisten.training.examples import TowerExamples
from colisten.training.tower_checkpoint import Curve

# Bounds on what one validation ranks.
_ROWS = 4096
_ITEMS = 20_000
_BLOCK = 512


def validate(
    towers: TwoTowers, examples: TowerExamples, rows: np.ndarray, settings: Settings
) -> dict[str, float]:
    """How well held-out examples rank their item among the catalogue, each in its own fold.

    Items' popularity is that of the first held-out day, as stale as a release's would be.

    Returns:
        validation_mrr with its standard error validation_mrr_error, validation_hit_rate (at
        evaluation.k), and for the softmax loss validation_loss: the softmax over the candidates
        at the learned temperature.
    """
    rows = rows[:: max(1, -(-len(rows) // _ROWS))]
    spread = np.linspace(0, examples.num_items - 1, min(examples.num_items, _ITEMS))
    candidates = np.union1d(spread.round().astype(np.int64), examples.items[rows])
    temperature = towers.temperature
    first = day_of(examples.times[rows].min(keepdims=True))
    popularity = torch.from_numpy(examples.log_popularity(first, candidates)[0])
    losses, ranks = [], []
    for fold in np.unique(examples.folds[rows]):
        members = rows[examples.folds[rows] == fold]
        with torch.inference_mode():
            items = towers.item.parts(
                torch.from_numpy(examples.item_features(candidates, int(fold)))
            )
            for start in range(0, len(members), _BLOCK):
                block = members[start : start + _BLOCK]
                users, weights = towers.user.parts(torch.from_numpy(examples.user_features(block)))
                scores = users @ items.T / temperature
                if towers.user.gates:
                    scores = scores + weights @ popularity.T
                own = torch.from_numpy(np.searchsorted(candidates, examples.items[block]))
                losses.append(functional.cross_entropy(scores, own, reduction="none"))
                ranks.append((scores > scores.gather(1, own[:, None])).sum(dim=1) + 1)
    rank = torch.cat(ranks).double()
    reciprocal = 1.0 / rank
    figures = {
        "validation_mrr": float(reciprocal.mean()),
        "validation_mrr_error": float(reciprocal.std(correction=0)) / math.sqrt(len(rank)),
        "validation_hit_rate": float((rank <= settings.evaluation.k).double().mean()),
    }
    if settings.towers.loss == "sampled_softmax":
        figures["validation_loss"] = float(torch.cat(losses).double().mean())
    return figures


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
