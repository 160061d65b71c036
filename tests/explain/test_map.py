from __future__ import annotations

import numpy as np
import pytest

from colisten.explain.map import MapView, item_map, principal_components

RNG = np.random.default_rng(5)
CLUSTER = np.repeat([0, 1], 40)
VECTORS = RNG.normal(size=(80, 6)) * 0.3 + np.where(CLUSTER == 0, 2.0, -2.0)[:, None]
ITEMS = np.arange(500, 580)


def places(view: MapView) -> np.ndarray:
    return np.array([[point.x, point.y] for point in view.points])


def test_what_is_alike_lies_together() -> None:
    (view,) = item_map({"taste": (ITEMS, VECTORS)}, seed=0)
    assert view.method == "t-SNE"
    assert [point.item for point in view.points] == ITEMS.tolist()
    at = places(view)
    own = np.linalg.norm(at[CLUSTER == 0] - at[CLUSTER == 0].mean(axis=0), axis=1).mean()
    apart = np.linalg.norm(at[CLUSTER == 0].mean(axis=0) - at[CLUSTER == 1].mean(axis=0))
    assert apart > 2 * own


def test_equal_seeds_give_equal_maps() -> None:
    spaces = {"taste": (ITEMS, VECTORS)}
    assert item_map(spaces, seed=1) == item_map(spaces, seed=1)
    drawn = [item_map(spaces, seed=seed, most=20)[0] for seed in (1, 2)]
    assert [len(view.points) for view in drawn] == [20, 20]
    assert drawn[0] != drawn[1]


def test_a_few_items_are_shown_by_principal_components_and_zero_rows_not_at_all() -> None:
    vectors = VECTORS[:10].copy()
    vectors[4] = 0.0
    (view,) = item_map({"text": (ITEMS[:10], vectors)}, seed=0)
    assert view.method == "PCA"
    assert ITEMS[4] not in {point.item for point in view.points}
    assert 0 < view.variance <= 1


def test_principal_components_hold_a_plane() -> None:
    plane = RNG.normal(size=(30, 2)) @ RNG.normal(size=(2, 5)) + 3.0
    found, variance = principal_components(plane)
    assert variance == pytest.approx(1.0)
    distances = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    kept = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.testing.assert_allclose(kept, distances, atol=1e-9)
    assert principal_components(plane[:1])[1] == 0.0
