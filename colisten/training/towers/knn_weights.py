"""Weights of the kNN term: a search over a few steps, judged by how high held-out items rank."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import math
from collections.abc import Sequence

from torch import Tensor

from colisten.training.towers.held_out import HeldOut

# In units of logits; means and vectors are about as long as one.
STEPS = (0.0, 1.0, 2.0, 4.0, 8.0)
_SWEEPS = 2


def search_weights(
    held_out: HeldOut, scores: Tensor, knn_terms: Sequence[Tensor], start: Sequence[float]
) -> tuple[list[float], Tensor]:
    """Weights of the kNN term's parts with the best MRR, by coordinate search from `start`.

    One weight at a time goes a step up or down on `STEPS` while that lifts the mean reciprocal
    rank by more than the standard error of the paired difference: what held-out rows cannot tell
    from chance stays as it was.

    Args:
        held_out: Examples.
        scores: Logits [N, C] without kNN term, -inf for items already seen.
        knn_terms: Parts at weight one, each [N, C].
        start: Weights to start from, members of `STEPS`.

    Returns:
        The weights, and the reciprocal ranks [N] they give.
    """
    steps = [STEPS.index(weight) for weight in start]
    total = scores
    for step, knn_term in zip(steps, knn_terms, strict=True):
        total = total + STEPS[step] * knn_term
    best = held_out.reciprocal_ranks(total)
    for _ in range(_SWEEPS):
        before = list(steps)
        for part, knn_term in enumerate(knn_terms):
            for way in (1, -1):
                while 0 <= steps[part] + way < len(STEPS):
                    change = STEPS[steps[part] + way] - STEPS[steps[part]]
                    tried = total + change * knn_term
                    ranks = held_out.reciprocal_ranks(tried)
                    if not _better(ranks, best):
                        break
                    steps[part], total, best = steps[part] + way, tried, ranks
        if steps == before:
            break
    return [STEPS[step] for step in steps], best


def _better(ranks: Tensor, best: Tensor) -> bool:
    gain = ranks - best
    error = float(gain.std(correction=0)) / math.sqrt(len(gain))
    return float(gain.mean()) > error
