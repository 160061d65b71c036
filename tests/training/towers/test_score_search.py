"""A score's parts get weight where they lift held-out items, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.training.towers.held_out import HeldOut
from colisten.training.towers.score_search import (
    ENOUGH_USERS,
    STEPS,
    Parts,
    search,
    search_weights,
)

ROWS, ITEMS = 400, 60


def held_out(own: np.ndarray) -> HeldOut:
    none = torch.zeros(0, dtype=torch.int64)
    blank = torch.zeros(ROWS, 1)
    people, warm = torch.arange(ROWS), torch.ones(ROWS, dtype=torch.bool)
    items = blank[:ITEMS]
    return HeldOut(blank, items, items, torch.from_numpy(own), people, (none, none), warm)


def test_a_part_that_knows_the_answer_gets_weight_and_noise_gets_none() -> None:
    rng = np.random.default_rng(0)
    own = rng.integers(0, ITEMS, ROWS)
    scores = torch.from_numpy(rng.normal(size=(ROWS, ITEMS)).astype(np.float32))
    knows = torch.from_numpy(rng.normal(0, 0.2, (ROWS, ITEMS)).astype(np.float32))
    knows[torch.arange(ROWS), torch.from_numpy(own)] += 0.6
    noise = torch.from_numpy(rng.normal(size=(ROWS, ITEMS)).astype(np.float32))
    judged = held_out(own)
    weights, ranks = search_weights(judged, scores, [noise, knows], [0.0, 0.0])
    assert weights[0] == 0.0
    assert weights[1] >= 2.0
    assert ranks.mean() > judged.reciprocal_ranks(scores).mean() + 0.1
    # What starts too high comes down again.
    weights, _ = search_weights(judged, scores, [noise, knows], [8.0, 4.0])
    assert weights[0] <= 1.0
    assert set(weights) <= set(STEPS)


def test_without_parts_the_scores_stand() -> None:
    own = np.zeros(ROWS, np.int64)
    scores = torch.zeros(ROWS, ITEMS)
    scores[:, 0], scores[:, 1] = 0.5, 1.0
    judged = held_out(own)
    weights, ranks = search_weights(judged, scores, [], [])
    assert weights == []
    np.testing.assert_allclose(ranks.numpy(), 0.5)


def test_equal_scores_say_nothing() -> None:
    judged = held_out(np.zeros(ROWS, np.int64))
    np.testing.assert_allclose(judged.reciprocal_ranks(torch.zeros(ROWS, ITEMS)), 2 / (ITEMS + 1))


def judged_kinds(own: np.ndarray, warm: np.ndarray) -> HeldOut:
    return replace(held_out(own), warm=torch.from_numpy(warm))


def planted(seed: int, cold: int) -> tuple[HeldOut, Parts]:
    """Warm users follow their taste; cold ones what is popular, of which taste knows nothing."""
    rng = np.random.default_rng(seed)
    warm = np.arange(ROWS) >= cold
    taste = rng.normal(size=(ROWS, ITEMS)).astype(np.float32)
    popularity = np.sort(rng.normal(size=(ITEMS, 1)).astype(np.float32), axis=0)[::-1].copy()
    drawn = rng.geometric(0.3, ROWS).clip(max=ITEMS) - 1
    own = np.where(warm, np.argsort(-taste, axis=1)[np.arange(ROWS), drawn], drawn)
    members = [torch.from_numpy(taste * 3)]
    return judged_kinds(own, warm), Parts(
        members, [False], [], (), (), torch.from_numpy(popularity)
    )


def test_each_kind_of_user_gets_what_ranks_it_best() -> None:
    judged, parts = planted(0, cold=150)
    found = search(judged, parts, [], floor=True)
    assert found.weights.taste[1] == 1.0
    assert found.weights.taste[0] < 0.5
    assert found.weights.floor[0] == (1.0 - found.weights.taste[0],)
    cold = found.tried["cold"]
    assert cold["as chosen"].mean() > cold["taste alone"].mean() + 0.1
    assert set(cold) == {"popularity alone", "taste alone", "as chosen"}
    without = search(judged, parts, [], floor=False)
    assert without.weights.taste == (1.0, 1.0)
    assert float(without.ranks.mean()) < float(found.ranks.mean())


def test_popularity_has_the_half_life_that_was_asked_for() -> None:
    judged, parts = planted(0, cold=ROWS)
    both = replace(parts, popularity=torch.cat([-parts.popularity, parts.popularity], dim=1))
    blind = replace(both, members=[torch.zeros(ROWS, ITEMS)])
    found = search(judged, blind, [], floor=True, half_life=1)
    assert found.weights.floor[0][0] == 0.0 < found.weights.floor[0][1]
    assert search(judged, both, [], floor=True, half_life=0).weights.floor[0][1] == 0.0


@given(st.integers(0, ENOUGH_USERS - 1), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_few_users_of_a_kind_leave_it_to_popularity(cold: int, seed: int) -> None:
    """However well taste ranks the few, and all of it where there is nobody."""
    judged, parts = planted(seed, cold=0)
    judged = replace(judged, warm=torch.arange(ROWS) >= cold)
    found = search(judged, parts, [], floor=True)
    assert found.weights.taste[0] <= cold / ENOUGH_USERS
    for share, floor in zip(found.weights.taste, found.weights.floor, strict=True):
        assert share + sum(floor) == 1.0


@given(st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_no_kind_ends_below_popularity(seed: int) -> None:
    """On the held-out users themselves, by more than chance."""
    judged, parts = planted(seed, cold=100)
    rng = np.random.default_rng(seed)
    noise = [torch.from_numpy(rng.normal(size=(ROWS, ITEMS)).astype(np.float32)) for _ in "ab"]
    found = search(judged, replace(parts, members=noise, blind=[False, False]), [], floor=True)
    for figures in (found.tried["cold"], found.tried["warm"]):
        behind = figures["popularity alone"] - figures["as chosen"]
        assert float(behind.mean()) <= 2.0 * float(behind.std()) / len(behind) ** 0.5


def test_a_graph_that_misleads_is_left_out_and_one_that_helps_is_heard() -> None:
    judged, parts = planted(1, cold=0)
    rng = np.random.default_rng(2)
    noise = torch.from_numpy(3 * rng.normal(size=(ROWS, ITEMS)).astype(np.float32))
    (taste,) = parts.members
    misled = search(
        judged, replace(parts, members=[noise, taste], blind=[False, True]), [], floor=True
    )
    assert misled.weights.members == (0.0, 1.0)
    helped = search(
        judged, replace(parts, members=[taste, noise], blind=[False, True]), [], floor=True
    )
    assert helped.weights.members == (0.5, 0.5)
    assert set(helped.tried["graph"]) == {"with the graph", "without the graph"}


def test_the_transfer_term_is_heard_where_it_knows_the_answer() -> None:
    judged, parts = planted(3, cold=200)
    term = torch.zeros(ROWS, ITEMS)
    term[torch.arange(ROWS), judged.own] = 3.0
    own = replace(parts, knn=[term, torch.zeros(ROWS, ITEMS), term], near=(1,), transfers=(2,))
    found = search(judged, own, [0.0, 0.0, 0.0], floor=True)
    assert found.weights.transfer[0] == 1.0
    assert found.weights.knn == (0.0, 0.0, 0.0), "the first is neither, so nobody hears it"
    assert found.weights.of_terms()[0] == [0.0, 0.0, 1.0]
