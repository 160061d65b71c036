"""When to stop training the towers: what they make of the latest rows, which they have not seen."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from colisten.config import Settings
from colisten.models.towers import TwoTowers, tower_vectors
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

    Returns:
        validation_mrr and validation_hit_rate (at evaluation.k), and for the softmax loss
        validation_loss: the softmax over the candidates at the learned temperature.
    """
    rows = rows[:: max(1, -(-len(rows) // _ROWS))]
    spread = np.linspace(0, examples.num_items - 1, min(examples.num_items, _ITEMS))
    candidates = np.union1d(spread.round().astype(np.int64), examples.items[rows])
    temperature = towers.temperature.item()
    losses, ranks = [], []
    for fold in np.unique(examples.folds[rows]):
        members = rows[examples.folds[rows] == fold]
        items = torch.from_numpy(
            tower_vectors(towers.item, examples.item_features(candidates, int(fold)))
        )
        for start in range(0, len(members), _BLOCK):
            block = members[start : start + _BLOCK]
            users = tower_vectors(towers.user, examples.user_features(block))
            scores = torch.from_numpy(users) @ items.T
            own = torch.from_numpy(np.searchsorted(candidates, examples.items[block]))
            losses.append(functional.cross_entropy(scores / temperature, own, reduction="none"))
            ranks.append((scores > scores.gather(1, own[:, None])).sum(dim=1) + 1)
    rank = torch.cat(ranks).double()
    figures = {
        "validation_mrr": float((1.0 / rank).mean()),
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
    """The curve's best validation, the earliest of equals; empty where there is none.

    Best is the lowest validation loss; where the towers were trained with the paper's loss, which
    knows no probabilities, it is the highest MRR.
    """
    return min(curve, key=_validation_order, default={})


def _validation_order(point: dict[str, float]) -> tuple[float, float]:
    by_rank = -point.get("validation_mrr", -math.inf)
    return point.get("validation_loss", by_rank), point["epoch"]
