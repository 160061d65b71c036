"""Towers give unit vectors for whatever comes in, and start from their linear part."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from colisten.errors import TrainingError
from colisten.models.member import Member, UserMember
from colisten.models.score_weights import ScoreWeights
from colisten.models.towers import (
    ItemTower,
    TwoTowers,
    UserTower,
    tower_vectors,
    user_vectors,
)
from colisten.settings.towers import TowerSettings


def tower(width: int = 6, dropout: float = 0.5, members: int = 2) -> UserTower:
    torch.manual_seed(0)
    settings = TowerSettings(
        hidden=(16, 8), dim=4, dropout=dropout, members=members, popularity_half_lives=()
    )
    made = UserTower(width, settings)
    for member in made.members:
        assert isinstance(member, Member)
        member.standardise(np.arange(width, dtype=float), np.linspace(0.1, 2.0, width))
    return made


def member(made: UserTower | ItemTower, number: int = 0) -> Member:
    found = made.members[number]
    assert isinstance(found, Member)
    return found


@given(arrays(np.float32, (5, 6), elements=st.floats(-(2.0**90), 2.0**90, width=32)))
@settings(max_examples=50, deadline=None)
def test_vectors_are_unit_length(features: np.ndarray) -> None:
    with torch.no_grad():
        out = tower().eval()(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-5)


def test_training_starts_from_the_linear_part() -> None:
    made = tower(members=1).eval()
    only = member(made)
    assert only.skip is not None
    x = torch.randn(7, 6)
    standard = ((x - only.mean) * only.scale).clamp(-8, 8)
    linear = torch.nn.functional.normalize(only.skip(standard), dim=1)
    torch.testing.assert_close(made(x), linear)
    with torch.no_grad():
        only.out.weight.normal_()
    assert not torch.allclose(made(x), linear)


def test_a_constant_column_has_no_say() -> None:
    only = Member(3, (8,), 4, 0.0)
    only.standardise(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0]))
    x = torch.randn(5, 3)
    changed = x.clone()
    changed[:, 1] = 1e6
    torch.testing.assert_close(only.taste(x)[0], only.taste(changed)[0])


def test_standardisation_is_exported_with_the_weights() -> None:
    names = set(tower().state_dict())
    assert {"members.0.mean", "members.1.scale"} <= names


def test_borders_check_shapes() -> None:
    with pytest.raises(TrainingError, match=r"UserTower takes features \[B, 6\], not \[2, 5\]"):
        tower()(torch.zeros(2, 5))
    with pytest.raises(TrainingError, match="ItemTower takes"):
        ItemTower(6, TowerSettings())(torch.zeros(6))
    with pytest.raises(TrainingError, match="6 columns"):
        member(tower()).standardise(np.zeros(5), np.ones(6))


def test_user_vectors_ignore_dropout_and_block_borders() -> None:
    towers = TwoTowers(6, 5, TowerSettings(dropout=0.5)).train()
    with torch.no_grad():
        member(towers.user).out.weight.normal_()
    features = np.random.default_rng(0).normal(size=(9000, 6)).astype(np.float32)
    whole = user_vectors(towers, features)
    assert whole.shape == (9000, 2 * 128 + 3 + 2)
    assert towers.training
    np.testing.assert_allclose(user_vectors(towers, features[8500:]), whole[8500:], atol=1e-6)
    assert user_vectors(towers, features[:0]).shape == (0, towers.user.dim)


def test_one_inner_product_ranks_as_taste_and_popularity_do() -> None:
    torch.manual_seed(0)
    towers = TwoTowers(6, 5, TowerSettings(dim=16, hidden=(8,))).eval()
    for each in towers.user.members:
        assert isinstance(each, UserMember)
        torch.nn.init.normal_(each.prior_skip.weight, std=0.3)
    rng = np.random.default_rng(0)
    people = rng.normal(size=(7, 6)).astype(np.float32)
    items = rng.normal(size=(40, 5)).astype(np.float32)
    popularity = np.log1p(rng.geometric(0.1, size=(40, 3))).astype(np.float32)
    towers.fit_to_catalogue(np.concatenate([items, popularity], axis=1))
    with torch.no_grad():
        logits = torch.stack(
            towers.logits(
                torch.from_numpy(people), torch.from_numpy(items), torch.from_numpy(popularity)
            )
        ).mean(dim=0)
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
    assert towers.temperature.tolist() == pytest.approx([0.2, 0.2])
    with torch.no_grad():
        towers.log_temperature.fill_(-50.0)
    assert towers.temperature.tolist() == pytest.approx([0.01, 0.01])


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_what_taste_leaves_goes_to_popularity_by_kind_of_user(share: float) -> None:
    """At a share of zero a cold user's order is that of popularity; a warm one's is untouched."""
    torch.manual_seed(0)
    towers = TwoTowers(6, 5, TowerSettings(dim=16, hidden=(8,)), warm_column=2).eval()
    rng = np.random.default_rng(0)
    people = rng.normal(size=(8, 6)).astype(np.float32)
    people[:, 2] = np.arange(8) % 2
    items = rng.normal(size=(40, 5)).astype(np.float32)
    popularity = np.log1p(rng.geometric(0.1, size=(40, 3))).astype(np.float32)
    weights = ScoreWeights(
        members=(0.25, 0.75),
        taste=(share, 1.0),
        floor=((0.0, 1.0 - share, 0.0), (0.0, 0.0, 0.0)),
    )
    towers.fit_to_catalogue(np.concatenate([items, popularity], axis=1), weights)
    with torch.no_grad():
        nothing = torch.zeros(40, 3)
        first, second = towers.logits(torch.from_numpy(people), torch.from_numpy(items), nothing)
        taste = (0.25 * first + 0.75 * second).numpy()
        parts = towers.user.parts(torch.from_numpy(people))
        prior = torch.stack([each[1] for each in parts]).mean(dim=0).numpy()
    learned = taste + prior @ popularity.T
    wanted = np.where(people[:, 2:3] > 0, learned, share * learned + (1 - share) * popularity[:, 1])
    served = tower_vectors(towers.item, np.concatenate([items, popularity], axis=1))
    scores = tower_vectors(towers.user, people) @ served.T
    for row, logit in zip(scores, wanted, strict=True):
        assert np.corrcoef(row, logit)[0, 1] > 1 - 1e-5
