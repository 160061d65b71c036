"""The kNN term gets weight where it lifts held-out items, and only there."""

from __future__ import annotations

import numpy as np
import torch

from colisten.training.towers.held_out import HeldOut
from colisten.training.towers.score_search import STEPS, search_weights

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
    scores[:, 1] = 1.0
    judged = held_out(own)
    weights, ranks = search_weights(judged, scores, [], [])
    assert weights == []
    np.testing.assert_allclose(ranks.numpy(), 0.5)
