"""Weights of a score's parts, chosen by how high held-out items rank.

Searches on the mean reciprocal rank of held-out users, one after the other, each from what has
proved good elsewhere, so that few users move little:

1. whether the members that see the graph vote at all (one standard error);
2. for users with and without a history of the target type apart: how much taste counts beside plain
   popularity, at the half-life that earlier windows speak for
   (`colisten.training.towers.half_life`), and how much
   the transfer term (one and a half standard errors; one where plain
   popularity ranks better than taste). A kind with few held-out users leaves the more to popularity
   the fewer they are;
3. the kNN term's parts, a step at a time while the gain is sure (two standard errors). They come
   after the second, else they would stand in for popularity; then the second is asked again.
"""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from colisten.models.score_weights import KINDS, ScoreWeights
from colisten.training.towers.held_out import HeldOut

Choice = TypeVar("Choice")

# In units of logits; means and vectors are about as long as one.
STEPS = (0.0, 1.0, 2.0, 4.0, 8.0)
TASTES = (1.0, 0.75, 0.5, 0.25, 0.0)
TRANSFERS = (0.0, 0.5, 1.0)
# With so many held-out users of a kind their ranks alone decide; with fewer, taste is capped.
ENOUGH_USERS = 30
_SWEEPS = 2
_SURE, _GOOD, _LIKELY = 2.0, 1.5, 1.0


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        weights: Of all parts.
        ranks: Reciprocal ranks [users] they give.
        tried: Reciprocal ranks [users of the kind] of what stood to choose, by question and name.
    """

    weights: ScoreWeights
    ranks: Tensor
    tried: Mapping[str, Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Parts:
    """Held-out scores before they are weighed.

    Attributes:
        members: Logits [N, C] of each.
        blind: Which of the members do not see the graph.
        knn: Parts of kNN and transfer term at weight one, [N, C] each.
        near: Which of these are the kNN term's.
        transfers: Which are the transfer term's; one that is neither is not heard.
        popularity: Log popularity [C, H].
    """

    members: Sequence[Tensor]
    blind: Sequence[bool]
    knn: Sequence[Tensor]
    near: Sequence[int]
    transfers: Sequence[int]
    popularity: Tensor


def search(
    held_out: HeldOut,
    parts: Parts,
    start: Sequence[float],
    *,
    floor: bool,
    half_life: int = 0,
) -> Found:
    """Weights of all parts.

    Args:
        held_out: Examples.
        parts: Their scores.
        start: Weights of the kNN term to start from, members of `STEPS`.
        floor: Whether taste may give way to popularity.
        half_life: Which half-life plain popularity has.
    """
    plain = ScoreWeights.plain(len(parts.members), parts.popularity.shape[1], start)
    weights = replace(plain, transfers=tuple(parts.transfers))
    tried: dict[str, dict[str, Tensor]] = {}
    if any(parts.blind) and not all(parts.blind):
        weights, tried["graph"] = _with_or_without_graph(held_out, parts, weights)
    floor = floor and bool(parts.popularity.shape[1])
    if floor:
        weights, _ = _floor(held_out, parts, weights, half_life)
    weights = _near(held_out, parts, weights)
    if floor:
        weights, by_kind = _floor(held_out, parts, weights, half_life)
        tried |= by_kind
    return Found(weights, held_out.reciprocal_ranks(weighed(held_out, parts, weights)), tried)


def weighed(held_out: HeldOut, parts: Parts, weights: ScoreWeights) -> Tensor:
    """Held-out scores [N, C] at some weights, -inf for items already seen."""
    share, transfer = (
        torch.tensor(each)[held_out.warm[held_out.person].long()][:, None]
        for each in (weights.taste, weights.transfer)
    )
    floor = torch.tensor(weights.floor)[held_out.warm[held_out.person].long()]
    total = share * _taste(parts, weights) + floor @ parts.popularity.T
    for part in parts.transfers:
        total = total + transfer * parts.knn[part]
    return held_out.hide(total)


def _taste(parts: Parts, weights: ScoreWeights) -> Tensor:
    """All that is learned [N, C]: members and kNN term."""
    total = _sum(parts.members, weights.members, parts.members[0])
    return total + _sum(
        [parts.knn[part] for part in parts.near], [weights.knn[part] for part in parts.near], total
    )


def _near(held_out: HeldOut, parts: Parts, weights: ScoreWeights) -> ScoreWeights:
    """Weights of the kNN term's parts under those of everything else."""
    silent = [0.0] * len(parts.knn)
    share = torch.tensor(weights.taste)[held_out.warm[held_out.person].long()][:, None]
    found, _ = search_weights(
        held_out,
        weighed(held_out, parts, replace(weights, knn=tuple(silent))),
        [share * parts.knn[part] for part in parts.near],
        [weights.knn[part] for part in parts.near],
    )
    for part, weight in zip(parts.near, found, strict=True):
        silent[part] = weight
    return replace(weights, knn=tuple(silent))


def search_weights(
    held_out: HeldOut, scores: Tensor, knn_terms: Sequence[Tensor], start: Sequence[float]
) -> tuple[list[float], Tensor]:
    """Weights of the kNN term's parts with the best MRR, by coordinate search from `start`.

    One weight at a time goes a step up or down on `STEPS` while that lifts the mean reciprocal
    rank by more than two standard errors of the paired difference: what held-out rows cannot tell
    from chance stays as it was.

    Args:
        held_out: Examples.
        scores: Logits [N, C] without kNN term, -inf for items already seen.
        knn_terms: Parts at weight one, each [N, C].
        start: Weights to start from, members of `STEPS`.

    Returns:
        The weights, and the reciprocal ranks [users] they give.
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
                    if not _better(ranks, best, _SURE):
                        break
                    steps[part], total, best = steps[part] + way, tried, ranks
        if steps == before:
            break
    return [STEPS[step] for step in steps], best


def _with_or_without_graph(
    held_out: HeldOut, parts: Parts, weights: ScoreWeights
) -> tuple[ScoreWeights, dict[str, Tensor]]:
    """All members, or those alone that do not see the graph, where they are likely better."""
    share = 1.0 / sum(parts.blind)
    alone = replace(weights, members=tuple(share if blind else 0.0 for blind in parts.blind))
    ranks, without = (
        held_out.reciprocal_ranks(weighed(held_out, parts, each)) for each in (weights, alone)
    )
    tried = {"with the graph": ranks, "without the graph": without}
    return (alone if _better(without, ranks, _LIKELY) else weights), tried


def _floor(
    held_out: HeldOut, parts: Parts, weights: ScoreWeights, half_life: int
) -> tuple[ScoreWeights, dict[str, dict[str, Tensor]]]:
    """Taste, popularity and transfer term for each kind of users."""
    taste = _taste(parts, weights)
    plain = parts.popularity[:, half_life]
    popular = held_out.reciprocal_ranks(held_out.hide(plain.expand_as(taste)))
    transfer = _sum(
        [parts.knn[part] for part in parts.transfers], [1.0] * len(parts.transfers), taste
    )
    grid = itertools.product(TASTES, TRANSFERS if parts.transfers else (0.0,))
    every = {
        (share, weight): held_out.reciprocal_ranks(
            held_out.hide(share * taste + (1.0 - share) * plain + weight * transfer)
        )
        for share, weight in grid
    }
    chosen, tried = [], {}
    for kind, of_kind in zip(KINDS, (~held_out.warm, held_out.warm), strict=True):
        mine = {at: each[of_kind] for at, each in every.items()}
        taken = _chosen(mine, popular[of_kind])
        chosen.append(taken)
        tried[kind] = {
            "popularity alone": popular[of_kind],
            "taste alone": mine[1.0, 0.0],
            "as chosen": mine[taken],
        }
    found = replace(
        weights,
        taste=tuple(share for share, _ in chosen),
        floor=tuple(
            tuple((1.0 - share) * (at == half_life) for at in range(parts.popularity.shape[1]))
            for share, _ in chosen
        ),
        transfer=tuple(weight for _, weight in chosen),
    )
    return found, tried


def _chosen(ranks: Mapping[tuple[float, float], Tensor], popular: Tensor) -> tuple[float, float]:
    """Share of taste and weight of the transfer term, by the ranks of users of one kind."""
    most = min(1.0, len(popular) / ENOUGH_USERS)
    allowed = {at: each for at, each in ranks.items() if at[0] <= most}
    first = max(allowed, key=lambda at: (at[0], -at[1]))
    behind = float(popular.sum()) > float(ranks[1.0, 0.0].sum())
    return _climb(allowed, first, _LIKELY if behind else _GOOD)


def _climb(ranks: Mapping[Choice, Tensor], first: Choice, errors: float) -> Choice:
    """From `first` to the best of what is better by so many standard errors, until nothing is."""
    now = first
    while True:
        better = [at for at, each in ranks.items() if _better(each, ranks[now], errors)]
        if not better:
            return now
        now = max(better, key=lambda at: float(ranks[at].mean()))


def _better(ranks: Tensor, best: Tensor, errors: float) -> bool:
    """Whether the mean gain exceeds so many of its standard errors."""
    if not len(ranks):
        return False
    gain = ranks - best
    error = float(gain.std(correction=0)) / math.sqrt(len(gain))
    return float(gain.mean()) > errors * error + 1e-12


def _sum(parts: Sequence[Tensor], weights: Sequence[float], like: Tensor) -> Tensor:
    total = torch.zeros_like(like)
    for part, weight in zip(parts, weights, strict=True):
        if weight:
            total = total + weight * part
    return total
