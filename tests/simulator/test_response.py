"""The world answers a shelf by planted taste: a better shelf makes more people start."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from colisten.errors import TableError
from colisten.simulator import respond
from colisten.simulator.truth import Truth

from .conftest import World

END = pd.Timestamp("2025-07-01", tz="UTC")


def shelves(users: np.ndarray, items: np.ndarray, moment: pd.Timestamp = END) -> pa.Table:
    """Exposures of a shelf [users, k] of item ids."""
    width = items.shape[1]
    count = items.size
    return pa.table(
        {
            "request_id": [f"r{n // width}" for n in range(count)],
            "user_id": np.repeat(users, width),
            "variant": ["test"] * count,
            "release_id": ["none"] * count,
            "surface": ["home"] * count,
            "item_id": items.ravel(),
            "position": np.tile(np.arange(1, width + 1), len(users)),
            "timestamp": pa.array([moment] * count, pa.timestamp("us", tz="UTC")),
        }
    )


def everybody(truth: Truth) -> np.ndarray:
    return np.concatenate(list(truth.user_batches()))


def starts(world: World, exposures: pa.Table, seed: int = 0) -> float:
    """Share of shelves with a stream."""
    answers = respond(world.folder / "truth", exposures, seed=seed).to_pandas()
    streams = answers[answers["signal"] == "stream"]
    return streams["user_id"].nunique() / len(set(exposures["user_id"].to_pylist()))


def books_of(truth: Truth) -> np.ndarray:
    return truth.item_ids[truth.item_types == "audiobook"]


def test_oracle_beats_popularity_beats_random(small_world: World) -> None:
    truth, rng = small_world.truth, np.random.default_rng(0)
    users, books = everybody(truth), books_of(truth)
    utility = truth.utility(truth.users(users), "audiobook")
    events = small_world.table("interactions")
    popular = events[events["item_type"] == "audiobook"]["item_id"].value_counts().index[:10]
    oracle = starts(small_world, shelves(users, books[np.argsort(-utility, axis=1)[:, :10]]))
    common = starts(small_world, shelves(users, np.tile(popular.to_numpy(object), (len(users), 1))))
    random = starts(
        small_world, shelves(users, books[rng.random(utility.shape).argsort(1)[:, :10]])
    )
    assert oracle > 2 * common > 4 * random > 0


def test_higher_places_are_seen_more(small_world: World) -> None:
    truth = small_world.truth
    users, books = everybody(truth), books_of(truth)
    utility = truth.utility(truth.users(users), "audiobook")
    best = books[np.argsort(-utility, axis=1)[:, :20]]
    up = starts(small_world, shelves(users, best))
    down = starts(small_world, shelves(users, best[:, ::-1]))
    assert up > 1.15 * down


def test_what_was_streamed_is_only_listened_to_again(small_world: World) -> None:
    events = small_world.table("interactions")
    had = events[(events["item_type"] == "audiobook") & (events["signal"] == "stream")]
    had = had.drop_duplicates(["user_id", "item_id"])
    users, items = had["user_id"].to_numpy(object), had["item_id"].to_numpy(object)[:, None]
    many = pa.concat_tables([shelves(users, items)] * 20)
    answers = respond(small_world.folder / "truth", many, seed=0).to_pandas()
    assert set(answers["signal"]) == {"stream"}
    assert len(answers) / many.num_rows == pytest.approx(0.03, abs=0.005)
    # Shown before their first stream they were still new.
    before = pd.Timestamp(small_world.settings.start_moment)
    early = respond(
        small_world.folder / "truth",
        pa.concat_tables([shelves(users, items, before)] * 20),
        seed=0,
    ).to_pandas()
    assert {"preview", "intent_to_pay", "follow"} <= set(early["signal"])


def test_answers_are_contract_interactions(small_world: World) -> None:
    truth = small_world.truth
    users = everybody(truth)
    utility = truth.utility(truth.users(users), "audiobook")
    exposures = shelves(users, books_of(truth)[np.argsort(-utility, axis=1)[:, :10]])
    answers = respond(small_world.folder / "truth", exposures, seed=1)
    assert answers.equals(respond(small_world.folder / "truth", exposures, seed=1))
    assert not answers.equals(respond(small_world.folder / "truth", exposures, seed=2))
    assert answers.schema.equals(
        pa.schema(
            {
                "user_id": pa.string(),
                "item_id": pa.string(),
                "item_type": pa.string(),
                "signal": pa.string(),
                "timestamp": pa.timestamp("us", tz="UTC"),
            }
        )
    )
    table = answers.to_pandas()
    assert table["timestamp"].is_monotonic_increasing
    assert (table["timestamp"] > END).all()
    assert (table["timestamp"] < END + pd.Timedelta(days=1)).all()
    shown = set(
        zip(exposures["user_id"].to_pylist(), exposures["item_id"].to_pylist(), strict=True)
    )
    assert set(zip(table["user_id"], table["item_id"], strict=True)) <= shown
    assert set(table["item_type"]) == {"audiobook"}


def test_podcasts_are_answered_too(small_world: World) -> None:
    truth = small_world.truth
    users = everybody(truth)
    utility = truth.utility(truth.users(users), "podcast")
    shows = truth.item_ids[truth.item_types == "podcast"]
    best = shelves(users, shows[np.argsort(-utility, axis=1)[:, :10]])
    worst = shelves(users, shows[np.argsort(utility, axis=1)[:, :10]])
    assert starts(small_world, best) > 0.1 > starts(small_world, worst)


def test_no_exposures_no_answers(small_world: World) -> None:
    nothing = shelves(np.array(["u00000000"], object), np.array([["a000000"]], object)).slice(0, 0)
    assert respond(small_world.folder / "truth", nothing, seed=0).num_rows == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user_id": "stranger"}, "1 users are not of the world"),
        ({"item_id": "a999999"}, "1 items are not of the world"),
        ({"position": 0}, "counts from 1"),
        ({"timestamp": None}, "timestamp has 1 nulls"),
    ],
)
def test_bad_exposures_are_named(
    small_world: World, change: dict[str, object], message: str
) -> None:
    good = shelves(np.array(["u00000000"], object), np.array([["a000000"]], object))
    row = {**good.to_pylist()[0], **change}
    with pytest.raises(TableError, match=message):
        respond(small_world.folder / "truth", pa.Table.from_pylist([row], good.schema), seed=0)


def test_missing_columns_and_truth_are_named(small_world: World, tmp_path: object) -> None:
    good = shelves(np.array(["u00000000"], object), np.array([["a000000"]], object))
    with pytest.raises(TableError, match="no column position"):
        respond(small_world.folder / "truth", good.drop_columns(["position"]), seed=0)
    with pytest.raises(TableError, match="No planted truth"):
        respond(small_world.folder, good, seed=0)
