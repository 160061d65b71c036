from __future__ import annotations

import numpy as np
import pytest

from colisten.explain.item_space import (
    MapView,
    Neighbourhoods,
    item_map,
    nearest,
    neighbourhoods,
    principal_components,
    telling_items,
)

RNG = np.random.default_rng(3)
TEXT = RNG.normal(size=(200, 8)).astype(np.float32)
STREAMS = np.floor(400 / np.arange(1, 201)) - 3.0
STREAMS[STREAMS < 0] = 0
AVAILABLE = np.ones(200, dtype=bool)


def found(taste: np.ndarray, seed: int = 0) -> Neighbourhoods:
    return neighbourhoods(
        {"text": TEXT, "taste": taste}, np.arange(1000, 1200), AVAILABLE, STREAMS, seed=seed
    )


def test_nearest_by_hand() -> None:
    vectors = np.array([[1, 0], [2, 0.1], [0, 1], [0, 0], [1, 0.2], [1, 0]], dtype=np.float32)
    items, cosines = nearest(vectors, [0, 3], np.array([0, 1, 2, 3, 4]), 3)
    assert items[0].tolist() == [1, 4, 2]
    assert cosines[0, 0] == pytest.approx(2 / np.hypot(2, 0.1))
    # No vector, no neighbours; and nobody's neighbour.
    assert items[1].tolist() == [-1, -1, -1]


def test_the_same_space_shares_all_and_an_unrelated_one_chance() -> None:
    same = found(TEXT * 2).agreement("text", "taste")
    assert same is not None
    assert same.shared.value == 1.0
    other = found(RNG.normal(size=(200, 8))).agreement("taste", "text")
    assert other is not None
    assert other.by_chance == pytest.approx(5 / 199)
    assert other.shared.value == pytest.approx(other.by_chance, abs=0.03)
    assert found(TEXT).agreement("text", "z") is None


def test_examples_tell_their_kind_and_count_from_the_catalogue() -> None:
    examples = found(TEXT).examples
    kinds = [one.kind for one in examples]
    assert kinds == sorted(
        kinds, key=["most popular", "median", "long tail", "never started"].index
    )
    assert set(kinds) == {"most popular", "median", "long tail", "never started"}
    assert examples[0].item == 1000
    for one in examples:
        assert one.streams == STREAMS[one.item - 1000]
        assert (one.kind == "never started") == (one.streams == 0)
        for neighbours in one.neighbours.values():
            assert len(neighbours) == 5
            assert one.item not in {other.item for other in neighbours}
            cosines = [other.cosine for other in neighbours]
            assert cosines == sorted(cosines, reverse=True)


def test_what_is_not_available_is_left_out() -> None:
    available = np.arange(200) % 2 == 0
    told = neighbourhoods({"text": TEXT}, np.arange(200), available, STREAMS, seed=0)
    for one in told.examples:
        assert one.item % 2 == 0
        assert all(other.item % 2 == 0 for other in one.neighbours["text"])


def test_equal_seeds_choose_alike_and_others_do_not() -> None:
    assert found(TEXT[::-1]) == found(TEXT[::-1])
    picks = [telling_items(STREAMS, AVAILABLE, seed) for seed in range(5)]
    assert len({tuple(pick) for pick in picks}) > 1
    assert all(pick[:4] == picks[0][:4] for pick in picks)


def test_a_catalogue_that_nobody_streams() -> None:
    told = neighbourhoods({"text": TEXT[:3]}, np.arange(3), AVAILABLE[:3], np.zeros(3), seed=0)
    assert [one.kind for one in told.examples] == ["never started", "never started"]


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
