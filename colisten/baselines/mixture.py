"""Decayed popularity mixed with a personal model: what most teams run before any network.

Both become shares that sum to one over the items, which are then pooled as opinions are. With p
the popularity's shares, s the model's (its scores, none below zero, over their sum), w the weight

    linear       (1 - w) p + w s                    Stone, Ann. Math. Stat. 32 (1961)
    logarithmic  (1 - w) log p + w log s            Genest and Zidek, Stat. Science 1 (1986)

The linear pool is also how language models are smoothed (Jelinek and Mercer 1980). The logarithm
is of a share with a tenth of an even one on top, so that an item that one side has never seen is
not out for good. At w = 0 both are the order of popularity, and so is the answer for a user of
whom the model knows nothing.
"""

from __future__ import annotations

import numpy as np

from colisten.baselines.als import ALS
from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.ease import EASE
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.item_knn import ITEM_KNN
from colisten.baselines.popularity import POPULARITY, decayed_shares
from colisten.errors import EvaluationError
from colisten.ranking.top_k import Scorer
from colisten.words import known_word

POOLS = ("linear", "logarithmic")
WEIGHTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
_EVEN = 0.1


def fit_mixture(
    train: InteractionMatrix,
    parameters: Parameters,
    threads: int,
    seed: int,
    component: Scorer,
) -> Scorer:
    """Popularity of one half-life pooled with a fitted model.

    Args:
        train: Interactions.
        parameters: `pool`, `half_life_days` and `weight`, the model's, from 0 to 1.
        threads: Unused; pooling is a pass over scores.
        seed: Unused.
        component: Scores of the model; it is not asked for row -1.

    Raises:
        EvaluationError: There is no such pool.
    """
    pool = known_word("Pool", parameters["pool"], POOLS, EvaluationError)
    popular = decayed_shares(train, parameters["half_life_days"])
    weight = np.float32(parameters["weight"])
    least = np.float32(_EVEN / max(1, train.num_target))

    def scorer(rows: np.ndarray) -> np.ndarray:
        personal = np.zeros((len(rows), train.num_target), np.float32)
        known = rows >= 0
        personal[known] = shares(component(rows[known]))
        if pool == "linear":
            personal *= weight
            personal += (1 - weight) * popular
            return personal
        personal += least
        np.log(personal, out=personal)
        personal *= weight
        personal += (1 - weight) * np.log(popular + least)
        return personal

    return scorer


def shares(scores: np.ndarray) -> np.ndarray:
    """Rows [b, n] over their sums, float32; negative scores count as zero, as do empty rows."""
    positive = np.maximum(np.asarray(scores, np.float32), 0.0)
    sums = positive.sum(axis=1, keepdims=True)
    positive /= np.maximum(sums, np.finfo(np.float32).tiny)
    return positive


def _with_popularity(model: Baseline) -> Baseline:
    return Baseline(
        f"popularity + {model.name}",
        fit_mixture,
        {"pool": POOLS, **POPULARITY.grid, "weight": WEIGHTS},
        builds_on=model,
        answers_everyone=True,
    )


POPULARITY_AND_ITEM_KNN = _with_popularity(ITEM_KNN)
POPULARITY_AND_EASE = _with_popularity(EASE)
POPULARITY_AND_ALS = _with_popularity(ALS)
