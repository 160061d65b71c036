"""The kNN term adds nearness to the history as it came, and stays one inner product."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from colisten.features.transform import UserFeatureSpec
from colisten.models.items import ItemFeatureSpec
from colisten.models.knn_term import KnnTermLayout
from colisten.models.score_weights import ScoreWeights
from colisten.models.towers import TwoTowers, tower_vectors
from colisten.settings.towers import TowerSettings

TEXT, Z = 4, 3
USERS = UserFeatureSpec(
    countries=("SE",),
    age_mean=40.0,
    age_scale=10.0,
    music_mean=(0.0,),
    music_scale=(1.0,),
    types=("audiobook", "podcast"),
    half_life_days=60.0,
    signal_weights=(1.0, 0.7, 0.4, 0.7),
    vector_dim=TEXT + Z,
)
ITEMS = ItemFeatureSpec(
    target_type="audiobook",
    languages=("en",),
    genres=(),
    blocks={"text": TEXT, "z": Z},
    popularity_half_lives=(7.0,),
)
LAYOUT = KnnTermLayout.of(USERS, ITEMS)


def inputs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(6, USERS.width)).astype(np.float32)
    items = rng.normal(size=(30, ITEMS.width)).astype(np.float32)
    items[:, list(LAYOUT.absent)] = 0.0
    return people, items


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def test_the_layout_finds_the_columns_by_name() -> None:
    assert LAYOUT.names == ("audiobook_text", "audiobook_z", "podcast_text", "podcast_z")
    names = USERS.names()
    for kind, starts in zip(USERS.types, LAYOUT.means, strict=True):
        assert [names[start] for start in starts] == [f"{kind}_mean_0", f"{kind}_mean_{TEXT}"]
        span = USERS.history(kind)
        assert names[span][0] == f"{kind}_mean_0"
        assert names[span][-1] == f"{kind}_any"
    assert LAYOUT.own == (ITEMS.dense_width - TEXT - Z, ITEMS.dense_width - Z)
    blank = ITEMS.model_copy(update={"blocks": {"text": 0, "z": Z}})
    assert KnnTermLayout.of(USERS.model_copy(update={"vector_dim": Z}), blank).dims == (Z,)


@pytest.mark.parametrize("half_lives", [(), (7.0,)])
def test_one_inner_product_ranks_as_the_sum_of_its_parts_does(
    half_lives: tuple[float, ...],
) -> None:
    people, items = inputs()
    spec = ITEMS.model_copy(update={"popularity_half_lives": half_lives})
    items = items[:, : spec.width]
    # One item without text, one without z: their kNN term is silent there.
    items[3, LAYOUT.absent[0]] = 1.0
    items[4, LAYOUT.absent[1]] = 1.0
    weights = np.array([[4.0, 1.0], [0.0, 2.0]], np.float32)
    torch.manual_seed(0)
    settings = TowerSettings(dim=8, hidden=(8,), popularity_half_lives=half_lives)
    towers = TwoTowers(USERS.width, spec.dense_width, settings, LAYOUT).eval()
    given = ScoreWeights.plain(2, len(half_lives), weights.ravel().tolist())
    towers.fit_to_catalogue(items, given)
    with torch.no_grad():
        dense, popularity = np.split(items, [spec.dense_width], axis=1)
        each = towers.logits(*map(torch.from_numpy, (people, dense, popularity)))
        logits = torch.stack(each).mean(dim=0).numpy()
    for block, (start, dim) in enumerate(zip(LAYOUT.own, LAYOUT.dims, strict=True)):
        there = items[:, LAYOUT.absent[block]] == 0
        vectors = items[:, start : start + dim]
        about = np.where(there[:, None], vectors - vectors[there].mean(axis=0), 0.0)
        for kind, starts in enumerate(LAYOUT.means):
            mean = unit(people[:, starts[block] : starts[block] + dim])
            logits += weights[kind, block] * mean @ about.T
    users, served = tower_vectors(towers.user, people), tower_vectors(towers.item, items)
    for vectors in (users, served):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    for row, logit in zip(users @ served.T, logits, strict=True):
        assert np.corrcoef(row, logit)[0, 1] > 1 - 1e-5
        np.testing.assert_array_equal(np.argsort(row)[-5:], np.argsort(logit)[-5:])


def test_at_weight_zero_the_knn_term_changes_no_order() -> None:
    people, items = inputs()
    torch.manual_seed(0)
    settings = TowerSettings(dim=8, hidden=(8,), popularity_half_lives=(7.0,))
    silent = TwoTowers(USERS.width, ITEMS.dense_width, settings, LAYOUT).eval()
    without = TwoTowers(USERS.width, ITEMS.dense_width, settings).eval()
    without.load_state_dict(silent.state_dict(), strict=False)
    for towers in (silent, without):
        towers.fit_to_catalogue(items)
    one, other = (
        np.argsort(tower_vectors(towers.user, people) @ tower_vectors(towers.item, items).T, axis=1)
        for towers in (silent, without)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("weights", "kept"),
    [
        ((4.0, 0.0, 0.0, 0.0), ("text",)),
        ((0.0, 0.0, 0.0, 0.5), ("z",)),
        ((1.0, 0.0, 0.0, 2.0), ("text", "z")),
        ((0.0, 0.0, 0.0, 0.0), ()),
    ],
)
def test_blocks_without_weight_are_left_out_of_the_vectors_and_no_score_changes(
    weights: tuple[float, ...], kept: tuple[str, ...]
) -> None:
    torch.manual_seed(0)
    settings = TowerSettings(hidden=(8,), dim=5, popularity_half_lives=(7.0,))
    towers = TwoTowers(USERS.width, ITEMS.dense_width, settings, LAYOUT).eval()
    people, items = inputs()
    towers.fit_to_catalogue(
        items, ScoreWeights(members=(0.5, 0.5), floor=((0.0,), (0.0,)), knn=weights)
    )
    before = tower_vectors(towers.user, people), tower_vectors(towers.item, items)
    towers.shorten()
    after = tower_vectors(towers.user, people), tower_vectors(towers.item, items)
    length = 2 * 5 + 1 + 2 + TEXT * ("text" in kept) + Z * ("z" in kept)
    assert towers.user.dim == towers.item.dim == after[0].shape[1] == after[1].shape[1] == length
    np.testing.assert_allclose(after[0] @ after[1].T, before[0] @ before[1].T, atol=1e-6)
    for vectors in after:
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    # What reads an inner product as a logit finds the last number where it was.
    np.testing.assert_allclose(after[0][:, -1], before[0][:, -1], atol=1e-6)
    # Whoever builds the model from a layout of these blocks can load its weights.
    layout = LAYOUT.of_blocks(kept) if kept else None
    again = TwoTowers(USERS.width, ITEMS.dense_width, settings, layout).eval()
    again.load_state_dict(towers.state_dict())
    np.testing.assert_array_equal(tower_vectors(again.user, people), after[0])
    np.testing.assert_array_equal(tower_vectors(again.item, items), after[1])


def test_without_popularity_a_term_that_nobody_weighs_stays() -> None:
    torch.manual_seed(0)
    settings = TowerSettings(hidden=(8,), dim=5, popularity_half_lives=())
    towers = TwoTowers(USERS.width, ITEMS.dense_width, settings, LAYOUT).eval()
    before = towers.user.dim
    towers.shorten()
    assert towers.user.dim == before
