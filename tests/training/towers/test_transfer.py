"""Other histories point to the target items that such people start, and hold no answer."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from colisten.training.towers.transfer import transfer_vectors
from tests.conftest import CUT
from tests.training.towers.test_loop import World, small

DIM = "towers.transfer=8"
MOMENT = int(CUT.timestamp() * 1e6)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("planted"))


def everything(world: World) -> pa.Table:
    """The last row of every user with a start: what was known of them by then."""
    order = pc.sort_indices(world.rows, sort_keys=[("timestamp", "descending")])
    rows = world.rows.take(order)
    users = rows["user_id"].to_pylist()
    return rows.take([users.index(user) for user in sorted(set(users))])


def test_a_user_is_led_to_items_of_their_own_taste(world: World) -> None:
    whole = everything(world)
    vectors = transfer_vectors(world.rows, whole, world.catalogue, small(DIM))
    assert vectors.shape == (len(world.catalogue), 8)
    assert np.isfinite(vectors).all()
    lifts = vectors[world.catalogue.slice_of("audiobook")]
    better = []
    for user, items in zip(
        whole["user_id"].to_pylist(), whole["podcast_item_ids"].to_pylist(), strict=True
    ):
        if items:
            mean = vectors[world.catalogue.index_of(items)].sum(axis=0)
            scores = lifts @ mean
            odd, even = scores[1::2].mean(), scores[::2].mean()
            better.append((odd > even) == bool(int(user[1:]) % 2))
    assert np.mean(better) > 0.8


def test_factors_hold_no_event_of_the_target_type(world: World) -> None:
    """Whatever people started: their factors stay, to the last bit."""
    whole, other = everything(world), world.catalogue.slice_of("podcast")
    mine = transfer_vectors(world.rows, whole, world.catalogue, small(DIM))
    shuffled = world.rows.set_column(
        world.rows.column_names.index("item_id"),
        "item_id",
        world.rows["item_id"].take(np.random.default_rng(0).permutation(world.rows.num_rows)),
    )
    blank = pa.array([[]] * whole.num_rows, whole["audiobook_item_ids"].type)
    for name in ("audiobook_item_ids", "audiobook_signals", "audiobook_times"):
        at = whole.column_names.index(name)
        whole = whole.set_column(at, name, blank.cast(whole[name].type))
    theirs = transfer_vectors(shuffled, whole, world.catalogue, small(DIM))
    np.testing.assert_array_equal(mine[other], theirs[other])
    assert not np.array_equal(mine, theirs)


def test_nothing_at_or_after_the_moment_counts(world: World) -> None:
    whole = everything(world)
    times = np.sort(world.rows["timestamp"].cast(pa.int64()).to_numpy())
    moment = int(times[len(times) // 2])
    early = world.rows.filter(pc.less(world.rows["timestamp"].cast(pa.int64()), moment))
    one, two = (
        transfer_vectors(rows, whole, world.catalogue, small(DIM), as_of=moment)
        for rows in (world.rows, early)
    )
    np.testing.assert_array_equal(one, two)
    again = transfer_vectors(world.rows, whole, world.catalogue, small(DIM), as_of=MOMENT)
    np.testing.assert_array_equal(
        again, transfer_vectors(world.rows, whole, world.catalogue, small(DIM))
    )


@pytest.mark.parametrize("users", [0, 1, 2])
def test_too_little_to_condense_is_silence(world: World, users: int) -> None:
    some = everything(world).slice(0, users)
    names = some["user_id"].to_pylist()
    rows = world.rows.filter(pc.is_in(world.rows["user_id"], pa.array(names, pa.string())))
    vectors = transfer_vectors(rows, some, world.catalogue, small(DIM))
    assert vectors.shape == (len(world.catalogue), 8)
    assert np.isfinite(vectors).all()
    if users < 2:
        assert not vectors.any()


def test_without_other_types_there_is_nothing_to_transfer(world: World) -> None:
    whole = everything(world)
    for name in ("podcast_item_ids", "podcast_signals", "podcast_times"):
        at = whole.column_names.index(name)
        blank = pa.array([[]] * whole.num_rows, whole[name].type)
        whole = whole.set_column(at, name, blank)
    assert not transfer_vectors(world.rows, whole, world.catalogue, small(DIM)).any()
