"""Held-out rows are asked as a release made just before them would be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from colisten.models.items import ItemBlocks
from colisten.training.time_split import held_out_moment, split_in_time
from colisten.training.towers.examples import TowerExamples
from colisten.training.towers.held_out import HeldOut
from tests.conftest import CUT
from tests.training.towers.test_loop import World, history_rows, small


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("planted"))


def read(world: World, blocks: ItemBlocks) -> TowerExamples:
    users = sorted(set(world.rows.column("user_id").to_pylist()))
    asked = pd.DataFrame({"user_id": users, "item_id": "a000", "timestamp": CUT})
    whole = history_rows(world.source, asked)
    return TowerExamples.read(world.rows, world.catalogue, blocks, small(), whole)


def test_nothing_from_the_held_out_days_on_is_seen(world: World) -> None:
    examples = read(world, world.blocks())
    _, rows = split_in_time(examples.times, 0.1)
    until = int(examples.times[rows].min())
    seen = examples.released_features(rows, until)
    for row, features in zip(rows[:20], seen, strict=False):
        user, item = examples.users.user_ids[row], examples.items[row]
        moment = pd.Timestamp(until, unit="us", tz="UTC")
        asked = pd.DataFrame({"user_id": [user], "item_id": "a000", "timestamp": [moment]})
        past = history_rows(world.source, asked)
        own = world.catalogue.item_ids[item + examples.target.start]
        for kind in examples.user_spec.types:
            # An earlier weak signal on the very item is no part of the question.
            items = [one for one in past.column(f"{kind}_item_ids")[0].as_py() if one != own]
            span = examples.user_spec.history(kind)
            assert features[span][-2] == pytest.approx(np.log1p(len(items)))


def test_z_is_that_of_the_moment(world: World) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3, len(world.text), 8)).astype(np.float32)
    early = rng.normal(size=z.shape[1:]).astype(np.float32)
    _, rows = split_in_time(read(world, world.blocks()).times, 0.1)
    seen = []
    for now in (z[0], z[0] + 1.0):
        examples = read(world, ItemBlocks(world.text, now, z[1:], early))
        judged = HeldOut.of(examples, rows)
        seen.append((judged.users, judged.items))
    for first, second in zip(*seen, strict=True):
        assert torch.equal(first, second)


def test_what_a_user_had_is_out_of_reach_and_the_own_item_is_not(world: World) -> None:
    examples = read(world, world.blocks())
    _, rows = split_in_time(examples.times, 0.2)
    judged = HeldOut.of(examples, rows)
    scores = judged.hide(torch.zeros(len(judged.own), len(judged.items)))
    assert torch.isinf(scores).any()
    assert torch.isfinite(scores.gather(1, judged.own[:, None])).all()
    ranks = judged.reciprocal_ranks(scores)
    left = torch.isfinite(scores).sum(dim=1).double()
    best = torch.zeros_like(ranks).scatter_reduce(0, judged.person, 2 / (left + 1), "amax")
    torch.testing.assert_close(ranks, best)


def test_a_graph_that_ends_there_ends_at_the_first_held_out_row(world: World) -> None:
    examples = read(world, world.blocks())
    stamps = world.rows.column("timestamp")
    moment = held_out_moment(stamps, 0.1)
    _, rows = split_in_time(examples.times, 0.1)
    assert moment is not None
    assert int(moment.timestamp() * 1e6) == pytest.approx(int(examples.times[rows[0]]), abs=1)
    assert held_out_moment(stamps, 0.0) is None
    assert held_out_moment(stamps.slice(0, 0), 0.1) is None


def test_a_hidden_history_looks_like_none(world: World) -> None:
    examples = read(world, world.blocks())
    features = examples.user_features(np.arange(len(examples)))
    own, other = (examples.user_spec.history(kind) for kind in examples.user_spec.types)
    hidden = examples.cold(features)
    known = features[:, other.stop - 1] > 0
    assert not hidden[known, own].any()
    np.testing.assert_array_equal(hidden[~known], features[~known])
    np.testing.assert_array_equal(hidden[:, other], features[:, other])
