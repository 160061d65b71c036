from __future__ import annotations

import numpy as np
import pytest

from colisten.explain.neighbours import (
    Neighbourhoods,
    nearest,
    neighbourhoods,
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
