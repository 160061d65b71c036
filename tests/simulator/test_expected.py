"""Reckoned chances are what showing the shelves again and again comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from colisten.data import parquet
from colisten.errors import TableError
from colisten.experiments.exposure import MEAN_VISITS, simulate_exposures
from colisten.experiments.outcomes import user_outcomes
from colisten.simulator import respond
from colisten.simulator.expected import CHANCES, Visits, expected_chances, organic_streams

from .conftest import World

DAYS = 14
RUNS = 4


def visits_of(world: World) -> Visits:
    return Visits(world.settings.end_moment - timedelta(days=DAYS), DAYS, MEAN_VISITS, 72)


def shelf_of(world: World) -> pa.Table:
    """Ten titles of each user: of what they like best, of what they had, of all."""
    truth, rng = world.truth, np.random.default_rng(0)
    users = np.concatenate(list(truth.user_batches()))
    books = truth.item_ids[truth.item_types == "audiobook"]
    liked = truth.utility(truth.users(users), "audiobook")
    had = organic_streams(world.folder / "interactions.parquet", world.settings.start_moment)
    place = {user: row for row, user in enumerate(users)}
    column = {book: at for at, book in enumerate(books)}
    noise = rng.gumbel(size=liked.shape)
    for user, item in zip(had["user_id"].to_pylist(), had["item_id"].to_pylist(), strict=True):
        if item in column:
            noise[place[user], column[item]] += 6.0
    best = np.argsort(-liked - noise, axis=1)[:, :10]
    return pa.table(
        {
            "user_id": np.repeat(users, 10),
            "item_id": books[best].ravel(),
            "rank": np.tile(np.arange(1, 11), len(users)),
        }
    )


def chances_of(world: World, shelf: pa.Table, visits: Visits) -> pd.DataFrame:
    organic = organic_streams(world.folder / "interactions.parquet", visits.start)
    return expected_chances(world.folder / "truth", shelf, organic, visits).to_pandas()


@pytest.fixture(scope="module")
def reckoned(small_world: World) -> pd.DataFrame:
    return chances_of(small_world, shelf_of(small_world), visits_of(small_world))


@pytest.fixture(scope="module")
def drawn(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What exposed users did in several experiments: with what they do anyway, and without."""
    folder = tmp_path_factory.mktemp("drawn")
    parquet.write(shelf_of(small_world), folder / "shelf.parquet")
    runs = []
    for seed in range(RUNS):
        shown = simulate_exposures(
            {"one": folder / "shelf.parquet"},
            experiment="truth",
            shares={"one": 1.0},
            start=visits_of(small_world).start,
            days=DAYS,
            release_id="none",
            seed=seed,
        )
        parquet.write(shown, folder / "shown.parquet")
        answers = respond(small_world.folder / "truth", shown, seed=seed)
        parquet.write(answers, folder / "done.parquet")
        did = user_outcomes(
            folder / "shown.parquet",
            [small_world.folder / "interactions.parquet", folder / "done.parquet"],
            target_type="audiobook",
        ).to_pandas()
        streams = answers.filter(pc.equal(answers["signal"], "stream"))
        did["caused_stream_rate"] = did["user_id"].isin(streams["user_id"].to_pylist())
        did["stream_rate"], did["new_start_rate"] = did["streams"] > 0, did["new_starts"] > 0
        runs.append(did)
    return pd.concat(runs)


@pytest.mark.parametrize("name", ["stream_rate", "new_start_rate", "caused_stream_rate"])
def test_chances_are_what_simulations_come_to(
    reckoned: pd.DataFrame, drawn: pd.DataFrame, name: str
) -> None:
    chance = reckoned.set_index("user_id")[name].loc[drawn["user_id"]].to_numpy()
    happened = drawn[name].to_numpy(float)
    # As a whole, and of those of whom little and of whom much is expected.
    for part in (chance >= 0, chance < np.median(chance), chance > np.quantile(chance, 0.8)):
        error = np.sqrt((chance[part] * (1 - chance[part])).sum()) / part.sum()
        assert abs(happened[part].mean() - chance[part].mean()) < 3.5 * error + 0.002
    assert 0.05 < chance.mean() < 0.95


def test_what_users_do_by_themselves_is_kept_apart(reckoned: pd.DataFrame) -> None:
    for rate in ("stream_rate", "new_start_rate"):
        assert (reckoned[f"caused_{rate}"] <= reckoned[rate] + 1e-12).all()
        assert reckoned[f"caused_{rate}"].mean() < reckoned[rate].mean() - 0.005
    assert (reckoned["new_start_rate"] <= reckoned["stream_rate"] + 1e-12).all()
    values = reckoned[list(CHANCES)].to_numpy()
    assert ((values >= 0) & (values <= 1)).all()


def test_without_anything_done_by_themselves_nothing_but_showings_counts(
    small_world: World,
) -> None:
    shelf = shelf_of(small_world).slice(0, 200)
    later = replace(
        visits_of(small_world), start=small_world.settings.end_moment + timedelta(days=9)
    )
    chances = chances_of(small_world, shelf, later)
    for rate in ("stream_rate", "new_start_rate"):
        assert (chances[rate] == chances[f"caused_{rate}"]).all()


def test_one_visit_or_a_thousand(small_world: World) -> None:
    shelf, visits = shelf_of(small_world).slice(0, 300), visits_of(small_world)
    rates = [
        chances_of(small_world, shelf, replace(visits, mean=mean))["stream_rate"].to_numpy()
        for mean in (1e-6, 3.0, 1_000.0)
    ]
    assert (rates[0] < rates[1]).all()
    assert (rates[1] < rates[2]).all()
    # A single visit: as likely as one of its ten titles is taken.
    assert rates[0].mean() < 0.6
    assert rates[2].mean() > 0.99


def test_users_chances_are_theirs_whoever_else_is_there(small_world: World) -> None:
    shelf, visits = shelf_of(small_world), visits_of(small_world)
    some = shelf.take(np.random.default_rng(1).permutation(300))
    together = chances_of(small_world, shelf.slice(0, 300), visits).set_index("user_id")
    apart = chances_of(small_world, some, visits).set_index("user_id")
    assert list(apart.index) == list(dict.fromkeys(some["user_id"].to_pylist()))
    pd.testing.assert_frame_equal(apart.loc[together.index], together, rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user_id": "stranger"}, "1 users are not of the world"),
        ({"item_id": "a999999"}, "1 items are not of the world"),
        ({"rank": 0}, "counts from 1"),
    ],
)
def test_bad_shelves_are_named(small_world: World, change: dict[str, object], message: str) -> None:
    good = shelf_of(small_world).slice(0, 1)
    bad = pa.Table.from_pylist([{**good.to_pylist()[0], **change}], good.schema)
    with pytest.raises(TableError, match=message):
        chances_of(small_world, bad, visits_of(small_world))
