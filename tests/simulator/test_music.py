"""Artists are a third type beside a world that stays as it is without them."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.simulator import simulate

from .conftest import SMALL, World
from .test_response import END, everybody, shelves, starts

MUSIC = SMALL.model_copy(update={"music": 90})


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "music"
    return World(folder, MUSIC, simulate(folder, MUSIC))


@pytest.mark.parametrize("name", ["items", "users", "music", "interactions"])
def test_everything_else_stays_as_it_is_drawn(small_world: World, music: World, name: str) -> None:
    table = music.table(name)
    if "item_type" in table:
        assert (table["item_type"] == "music").any()
        table = table[table["item_type"] != "music"].reset_index(drop=True)
    assert table.equals(small_world.table(name))


def test_artists_are_listened_to_for_taste(music: World) -> None:
    truth = music.truth
    assert list(truth.item_types) == sorted(truth.item_types)
    events = music.table("interactions")
    streams = events[(events["item_type"] == "music") & (events["signal"] == "stream")]
    assert 0.8 < streams["user_id"].nunique() / music.settings.users < 0.95
    assert streams["hours"].gt(0).all()
    users = truth.users(streams["user_id"].to_numpy(object)).taste["music"]
    chosen = truth.taste[truth.item_rows(streams["item_id"].to_numpy(object))]
    other = np.random.default_rng(0).permutation(chosen)
    assert (users * chosen).sum(1).mean() > (users * other).sum(1).mean() + 1.0


def test_a_shelf_of_artists_is_answered(music: World) -> None:
    truth = music.truth
    users = everybody(truth)
    utility = truth.utility(truth.users(users), "music")
    artists = truth.item_ids[truth.item_types == "music"]
    best, worst = np.argsort(-utility, axis=1)[:, :10], np.argsort(utility, axis=1)[:, :10]
    good, bad = (starts(music, shelves(users, artists[places], END)) for places in (best, worst))
    assert good > 0.1 > bad
