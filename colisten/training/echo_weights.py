"""How loud the echo is: a search over a few weights, judged by how high held-out items rank."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from colisten.training.held_out import HeldOut

# In units of logits; means and vectors are about as long as one.
LOUDNESS = (0.0, 1.0, 2.0, 4.0, 8.0)
_SWEEPS = 2


def louder_or_softer(
    held_out: HeldOut, scores: Tensor, echoes: Sequence[Tensor], start: Sequence[float]
) -> tuple[list[float], Tensor]:
    """Weights of the echo's parts with the best MRR, by coordinate search from `start`.

    One weight at a time goes a step up or down on `LOUDNESS` while that lifts the mean reciprocal
    rank by more than the standard error of the paired difference: what held-out rows cannot tell
    from chance stays as it was.

    Args:
        held_out: Examples.
        scores: Logits [N, C] without echo, what users had already hidden.
        echoes: Parts at weight one, each [N, C].
        start: Weights to start from, members of `LOUDNESS`.

    Returns:
        The weights, and the reciprocal ranks [N] they give.
    """
    steps = [LOUDNESS.index(weight) for weight in start]
    total = scores
    for step, echo in zip(steps, echoes, strict=True):
        total = total + LOUDNESS[step] * echo
    best = held_out.reciprocal_ranks(total)
    for _ in range(_SWEEPS):
        before = list(steps)
        for part, echo in enumerate(echoes):
            for way in (1, -1):
                while 0 <= steps[part] + way < len(LOUDNESS):
                    change = LOUDNESS[steps[part] + way] - LOUDNESS[steps[part]]
                    tried = total + change * echo
                    ranks = held_out.reciprocal_ranks(tried)
                    if not _better(ranks, best):
                        break
                    steps[part], total, best = steps[part] + way, tried, ranks
        if steps == before:
            break
    return [LOUDNESS[step] for step in steps], best


def _better(ranks: Tensor, best: Tensor) -> bool:
    gain = ranks - best
    error = float(gain.std(correction=0)) / math.sqrt(len(gain))
    return float(gain.mean()) > error
