"""Towers give unit vectors for whatever comes in, and start from their linear part."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colisten.errors import TrainingError
from colisten.models.towers import (
    ItemTower,
    Tower,
    TwoTowers,
    UserTower,
    tower_vectors,
    user_vectors,
)
from colisten.settings.sections import TowerSettings


def tower(width: int = 6, dropout: float = 0.5) -> Tower:
    torch.manual_seed(0)
    made = UserTower(width, (16, 8), 4, dropout)
    made.standardise(np.arange(width, dtype=float), np.linspace(0.1, 2.0, width))
    return made


@given(arrays(np.float32, (5, 6), elements=st.floats(-(2.0**90), 2.0**90, width=32)))
@settings(max_examples=50, deadline=None)
def test_vectors_are_unit_length(features: np.ndarray) -> None:
    with torch.no_grad():
        out = tower().eval()(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-5)


def test_training_starts_from_the_linear_part() -> None:
    made = tower().eval()
    assert made.skip is not None
    x = torch.randn(7, 6)
    standard = ((x - made.mean) * made.scale).clamp(-8, 8)
    linear = torch.nn.functional.normalize(made.skip(standard), dim=1)
    torch.testing.assert_close(made(x), linear)
    with torch.no_grad():
        made.out.weight.normal_()
    assert not torch.allclose(made(x), linear)


def test_a_constant_column_has_no_say() -> None:
    made = UserTower(3, (8,), 4, 0.0)
    made.standardise(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0]))
    x = torch.randn(5, 3)
    changed = x.clone()
    changed[:, 1] = 1e6
    torch.testing.assert_close(made(x), made(changed))


def test_standardisation_is_exported_with_the_weights() -> None:
    names = set(tower().state_dict())
    assert {"mean", "scale"} <= names


def test_borders_check_shapes() -> None:
    with pytest.raises(TrainingError, match=r"UserTower takes features \[B, 6\], not \[2, 5\]"):
        tower()(torch.zeros(2, 5))
    with pytest.raises(TrainingError, match="ItemTower takes"):
        ItemTower(6, (8,), 4, 0.0)(torch.zeros(6))
    with pytest.raises(TrainingError, match="6 columns"):
        tower().standardise(np.zeros(5), np.ones(6))


def test_user_vectors_ignore_dropout_and_block_borders() -> None:
    towers = TwoTowers(6, 5, TowerSettings(dropout=0.5)).train()
    with torch.no_grad():
        towers.user.out.weight.normal_()
    features = np.random.default_rng(0).normal(size=(9000, 6)).astype(np.float32)
    whole = user_vectors(towers, features)
    assert whole.shape == (9000, 128 + 3 + 1)
    assert towers.training
    np.testing.assert_allclose(user_vectors(towers, features[8500:]), whole[8500:], atol=1e-6)
    assert user_vectors(towers, features[:0]).shape == (0, towers.user.dim)


def test_one_inner_product_ranks_as_taste_and_popularity_do() -> None:
    torch.manual_seed(0)
    towers = TwoTowers(6, 5, TowerSettings(dim=16, hidden=(8,))).eval()
    torch.nn.init.normal_(towers.user.prior_skip.weight, std=0.3)
    rng = np.random.default_rng(0)
    people = rng.normal(size=(7, 6)).astype(np.float32)
    items = rng.normal(size=(40, 5)).astype(np.float32)
    popularity = np.log1p(rng.geometric(0.1, size=(40, 3))).astype(np.float32)
    towers.fit_to_catalogue(np.concatenate([items, popularity], axis=1))
    with torch.no_grad():
        taste, weights = towers.user.parts(torch.from_numpy(people))
        own = towers.item.parts(torch.from_numpy(items))
        logits = taste @ own.T / towers.temperature + weights @ torch.from_numpy(popularity).T
    users = tower_vectors(towers.user, people)
    served = tower_vectors(towers.item, np.concatenate([items, popularity], axis=1))
    for vectors in (users, served):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    scores = users @ served.T
    # Per user, a score is the logit less a constant, times a positive factor.
    for row, logit in zip(scores, logits.numpy(), strict=True):
        assert np.corrcoef(row, logit)[0, 1] > 1 - 1e-6
        np.testing.assert_array_equal(np.argsort(row)[-10:], np.argsort(logit)[-10:])


def test_temperature_starts_as_set_and_stays_within_bounds() -> None:
    towers = TwoTowers(6, 5, TowerSettings(temperature=0.2))
    assert towers.temperature.item() == pytest.approx(0.2)
    with torch.no_grad():
        towers.log_temperature.fill_(-50.0)
    assert towers.temperature.item() == pytest.approx(0.01)
