"""The losses say what their formulas say, and take popularity back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import TrainingError
from colisten.models.losses import LOSSES, LossBatch, log_inclusion, paper, sampled_softmax
from colisten.settings.towers import TowerSettings


@st.composite
def batches(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    rows, kinds = draw(st.integers(1, 7)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    share = torch.from_numpy(rng.dirichlet(np.ones(kinds)) + 1e-4).clamp_max(1.0)
    own = torch.from_numpy(rng.integers(0, kinds, rows))
    return unit(rng, rows, 4), unit(rng, kinds, 4), own, log_inclusion(share, rows)


def unit(rng: np.random.Generator, rows: int, dim: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(rows, dim))), dim=1)


@given(batches(), st.floats(0.05, 1.0))
@settings(max_examples=60, deadline=None)
def test_softmax_is_the_loop(batch: tuple[torch.Tensor, ...], temperature: float) -> None:
    users, items, own, log_p = batch
    expected = []
    for i, user in enumerate(users):
        logits = [
            float(user @ item) / temperature - float(p)
            for item, p in zip(items, log_p, strict=True)
        ]
        expected.append(math.log(sum(map(math.exp, logits))) - logits[int(own[i])])
    scale = torch.tensor(temperature, dtype=torch.float64)
    got = sampled_softmax(LossBatch(users, items, own, log_p, scale))
    assert float(got) == pytest.approx(np.mean(expected), abs=1e-9)


@given(batches())
@settings(max_examples=60, deadline=None)
def test_paper_loss_is_the_loop_and_bounded(batch: tuple[torch.Tensor, ...]) -> None:
    users, items, own, log_p = batch
    expected = []
    for i, user in enumerate(users):
        chosen = int(own[i])
        pairs = [
            (1.0 / math.exp(float(log_p[j])), float(user @ items[j]) - float(user @ items[chosen]))
            for j in range(len(items))
            if j != chosen
        ]
        weight = sum(w for w, _ in pairs)
        expected.append(sum(w * d for w, d in pairs) / weight if pairs else 0.0)
    got = float(paper(LossBatch(*batch)))
    assert got == pytest.approx(np.mean(expected), abs=1e-9)
    assert -2.0 <= got <= 2.0


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_of_one_item_teaches_nothing(loss: str) -> None:
    users = torch.nn.functional.normalize(torch.randn(3, 4), dim=1).requires_grad_()
    items, own, log_p = torch.ones(1, 4) / 2, torch.zeros(3, dtype=torch.long), torch.zeros(1)
    value = LOSSES[loss](LossBatch(users, items, own, log_p, torch.tensor(0.1)))
    torch.autograd.backward(value)
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert users.grad is not None
    assert float(users.grad.abs().max()) == pytest.approx(0.0, abs=1e-6)


@given(st.floats(1e-5, 1.0), st.integers(1, 2000))
@settings(max_examples=60, deadline=None)
def test_inclusion_is_the_chance_of_at_least_one_draw(share: float, rows: int) -> None:
    got = float(log_inclusion(torch.tensor(share, dtype=torch.float64), rows))
    assert math.exp(got) == pytest.approx(1.0 - (1.0 - share) ** rows, rel=1e-9)


@pytest.mark.parametrize("rows", [4, 16])
def test_log_q_makes_the_softmax_learn_the_true_odds(rows: int) -> None:
    """Users all alike: the learned softmax over items must be the items' frequency.

    Popular items are candidates more often, so without the correction they are held down.
    """
    frequency = torch.tensor([0.3] + [0.7 / 49] * 49, dtype=torch.float64)

    def learned_share_of_the_popular_item(corrected: bool) -> float:
        torch.manual_seed(0)
        scores = torch.zeros(50, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.SGD([scores], lr=0.5)
        total, one = torch.zeros(50, dtype=torch.float64), torch.ones(rows, 1, dtype=torch.float64)
        for step in range(3000):
            drawn = torch.multinomial(frequency, rows, replacement=True)
            items, own = torch.unique(drawn, return_inverse=True)
            log_p = log_inclusion(frequency[items], rows) if corrected else torch.zeros(len(items))
            loss = sampled_softmax(LossBatch(one, scores[items][:, None], own, log_p))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            if step >= 1000:
                total += torch.softmax(scores.detach(), 0)
        return float(total[0] / 2000)

    corrected = learned_share_of_the_popular_item(True)
    plain = learned_share_of_the_popular_item(False)
    assert plain < 0.6 * corrected
    assert corrected > 0.18


def test_paper_loss_weighs_a_rare_negative_more() -> None:
    users = torch.tensor([[1.0, 0.0]], requires_grad=True)
    items = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    log_p = torch.log(torch.tensor([0.1, 0.8, 0.1]))
    torch.autograd.backward(paper(LossBatch(users, items, torch.tensor([0]), log_p)))
    assert users.grad is not None
    # The rare item 2 weighs eight times the popular item 1, so the user moves away from it.
    assert float(users.grad[0, 1]) == pytest.approx(1 / 9 - 8 / 9, abs=1e-6)


def test_shapes_are_checked() -> None:
    good, own = torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)
    with pytest.raises(TrainingError, match=r"own \[B\]"):
        LossBatch(good, torch.zeros(3, 4), own, torch.zeros(3))
    with pytest.raises(TrainingError):
        LossBatch(good[:0], good, own[:0], torch.zeros(2))


def test_the_setting_knows_every_loss() -> None:
    for name in LOSSES:
        assert TowerSettings(loss=name).loss == name
    with pytest.raises(ValueError, match="Input should be " + " or ".join(map(repr, LOSSES))):
        TowerSettings(loss="hinge")
