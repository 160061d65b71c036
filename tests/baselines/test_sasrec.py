"""SASRec looks back alone, learns what follows what, and repeats its stages."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.sasrec import LENGTH, SASRec, Sequences, fit_sasrec, sasrec_stages
from colisten.training.checkpoint import deterministic


def of(histories: list[list[int]], num_items: int, target: slice) -> InteractionMatrix:
    """Users with items in the order of time; nobody has one twice."""
    entries = sorted(
        (user, item, moment)
        for user, items in enumerate(histories)
        for moment, item in enumerate(items)
    )
    rows, items, times = np.array(entries, np.int64).reshape(-1, 3).T
    matrix = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, items)), shape=(len(histories), num_items)
    )
    ids = np.array([f"u{at:03d}" for at in range(len(histories))], dtype=object)
    return InteractionMatrix(matrix, times, ids, target)


def successions(users: int = 240) -> InteractionMatrix:
    """Podcast 8 + n leads to audiobook n, one of four, after what says nothing."""
    rng = np.random.default_rng(0)
    histories = []
    for user in range(users):
        lead = int(rng.integers(4))
        noise = rng.permutation(np.arange(12, 20))[:3].tolist()
        # The last users have heard what leads, and nothing of the target yet.
        histories.append([*noise, 8 + lead, *([lead] if user < users - 40 else [])])
    return of(histories, 20, slice(0, 8))


def test_sequences_are_the_last_items_in_time_with_the_next_of_the_target() -> None:
    train = of([[5, 0, 6, 2], [3], [], [*range(3, 3 + LENGTH + 1), 1]], 100, slice(0, 3))
    made = Sequences.of(train)
    assert made.lengths.tolist() == [4, 1, 0, LENGTH]
    assert made.items[0, -5:].tolist() == [100, 5, 0, 6, 2]
    assert made.labels[0, -5:].tolist() == [-1, 0, 2, 2, -1]
    assert made.items[1, -2:].tolist() == [100, 3]
    assert (made.labels[1:3] == -1).all()
    assert (made.items[2] == 100).all()
    assert made.items[3].tolist() == [*range(5, 3 + LENGTH + 1), 1]
    assert made.labels[3].tolist() == [1] * (LENGTH - 1) + [-1]


@pytest.mark.parametrize("blocks", [1, 2])
def test_no_place_sees_what_comes_later_or_the_padding(blocks: int) -> None:
    with deterministic(1, 0):
        model = SASRec(30, slice(0, 10), blocks).eval()
    with torch.no_grad():
        one = model(torch.tensor([[30, 30, 4, 5, 6, 7]]))
        other = model(torch.tensor([[30, 30, 4, 5, 6, 21]]))
        short = model(torch.tensor([[4, 5, 6, 7]]))
    torch.testing.assert_close(one[:, :5], other[:, :5])
    assert not torch.allclose(one[:, 5], other[:, 5])
    torch.testing.assert_close(one[:, 2:], short)


def test_what_leads_to_what_is_learned_for_people_new_to_the_target() -> None:
    train = successions()
    scores = fit_sasrec(train, {"blocks": 1, "epochs": 8}, 1, 0)(np.arange(200, 240))
    leads = train.matrix[200:, 8:12].toarray().argmax(axis=1)
    assert (scores.argmax(axis=1) == leads).mean() > 0.9


def test_a_stage_is_repeated_by_its_parameters_whatever_happens_between() -> None:
    train = successions(60)
    rows = np.arange(60)
    stages = sasrec_stages(train, {"blocks": 1}, 1, 3)
    reached = []
    for _ in range(3):
        parameters, scorer = next(stages)
        reached.append((parameters, scorer))
        torch.rand(7)
    for parameters, scorer in reached:
        np.testing.assert_array_equal(fit_sasrec(train, parameters, 1, 3)(rows), scorer(rows))
    assert [parameters["epochs"] for parameters, _ in reached] == [2, 4, 6]
    assert np.abs(reached[0][1](rows) - reached[2][1](rows)).max() > 1e-3


@pytest.mark.parametrize(
    "histories", [[[]], [[0]], [[9]], [[9, 0]]], ids=["nothing", "one", "cold", "a pair"]
)
def test_worlds_of_one_user_have_an_answer(histories: list[list[int]]) -> None:
    train = of(histories, 12, slice(0, 4))
    scores = fit_sasrec(train, {"blocks": 1}, 1, 0)(np.zeros(1, np.int64))
    assert scores.shape == (1, 4)
    assert np.isfinite(scores).all()
    assert bool(scores.any()) == (histories == [[9, 0]])
