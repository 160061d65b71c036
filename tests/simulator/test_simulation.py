"""A world is whole, obeys the contract, follows its seed and does not outgrow memory."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.data.checks import check_tables
from colisten.errors import ConfigError
from colisten.files import folder_digests
from colisten.simulator import WorldSettings, simulate, simulation
from colisten.simulator.people import draw_people
from colisten.simulator.settings import SIGNALS

from .conftest import SMALL, World

STAMP = pa.timestamp("us", tz="UTC")
TINY = WorldSettings(users=60, audiobooks=40, podcasts=50, days=40, chunk_users=25, seed=5)


def test_equal_settings_give_equal_bytes(small_world: World, tmp_path: Path) -> None:
    simulate(tmp_path / "again", SMALL)
    assert folder_digests(tmp_path / "again") == folder_digests(small_world.folder)


# Rows, and a digest of all their words in order, as 78650da drew them.
DRAWN = {
    "items": (320, "b11c2802d97370d6"),
    "users": (700, "e540ae8853a2e98e"),
    "music": (1680, "ea1d28d6ae948acd"),
    "interactions": (22235, "1ea0e24da2fef0b8"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_stays_what_it_was(small_world: World, name: str) -> None:
    table = small_world.table(name)
    words = table.select_dtypes("object").drop(columns=["genres", "music_vector"], errors="ignore")
    digest = hashlib.sha256(words.to_csv(index=False).encode()).hexdigest()
    assert (len(table), digest[:16]) == DRAWN[name]


def test_another_seed_gives_another_world(small_world: World, tmp_path: Path) -> None:
    simulate(tmp_path / "other", SMALL.model_copy(update={"seed": 4}))
    ours, other = folder_digests(small_world.folder), folder_digests(tmp_path / "other")
    assert ours.keys() == other.keys()
    assert not [name for name in ours if ours[name] == other[name]]


def test_more_users_leave_the_first_chunks_as_they_are(small_world: World, tmp_path: Path) -> None:
    simulate(tmp_path / "half", SMALL.model_copy(update={"users": 500}))
    whole = small_world.table("interactions")
    half = pq.read_table(tmp_path / "half" / "interactions.parquet").to_pandas()
    assert half.equals(whole[whole["user_id"] < "u00000500"].reset_index(drop=True))


def test_the_tables_pass_the_door(small_world: World) -> None:
    check_tables(small_world.folder)


def test_the_schema_is_the_contract(small_world: World) -> None:
    schemas = {
        name: dict(zip(schema.names, schema.types, strict=True))
        for name in ("items", "users", "music", "interactions")
        for schema in [pq.read_schema(small_world.folder / f"{name}.parquet")]
    }
    text, floats = pa.string(), pa.list_(pa.float32())
    assert schemas["users"] == {"user_id": text, "country": text, "age": pa.float32()}
    assert schemas["music"]["timestamp"] == STAMP
    assert floats.equals(schemas["music"]["music_vector"])
    assert schemas["items"]["published_at"] == STAMP
    assert pa.list_(text).equals(schemas["items"]["genres"])
    names = ("user_id", "item_id", "item_type", "signal")
    assert all(schemas["interactions"][name] == text for name in names)
    assert schemas["interactions"]["timestamp"] == STAMP


def test_every_event_is_possible(small_world: World) -> None:
    events, items = small_world.table("interactions"), small_world.table("items")
    start, end = small_world.settings.start_moment, small_world.settings.end_moment
    assert events["timestamp"].ge(start).all()
    assert events["timestamp"].lt(end).all()
    assert set(events["signal"]) == set(SIGNALS)
    known = events.merge(items, on="item_id", suffixes=("", "_of_item"))
    assert len(known) == len(events)
    assert (known["item_type"] == known["item_type_of_item"]).all()
    assert (known["timestamp"] >= known["published_at"]).all()
    assert set(events["user_id"]) <= set(small_world.table("users")["user_id"])
    streams = events["signal"] == "stream"
    assert events["hours"].gt(0).equals(streams)


def test_items_are_sorted_and_some_are_new(small_world: World) -> None:
    items = small_world.table("items")
    keys = list(zip(items["item_type"], items["item_id"], strict=True))
    assert keys == sorted(keys)
    new = (items["published_at"] >= small_world.settings.start_moment).mean()
    assert 0.05 < new < 0.25


def test_some_ages_and_countries_are_unknown(small_world: World) -> None:
    users = small_world.table("users")
    assert 0.05 < users["age"].isna().mean() < 0.2
    assert 0.0 < users["country"].isna().mean() < 0.1
    assert users["age"].min() >= 18


def test_people_keep_to_the_languages_of_their_country(small_world: World) -> None:
    events = small_world.table("interactions").merge(small_world.table("items"), on="item_id")
    events = events.merge(small_world.table("users"), on="user_id")
    assert set(events[events["country"] == "SE"]["language"]) == {"sv", "en"}
    assert set(events[events["country"] == "GB"]["language"]) == {"en"}


def test_listening_has_a_daily_and_a_weekly_rhythm(small_world: World) -> None:
    events = small_world.table("interactions").merge(small_world.table("users"), on="user_id")
    local = events[events["country"] == "GB"]
    local = local.assign(at=local["timestamp"] + np.timedelta64(1, "h"))
    books = local[local["item_type"] == "audiobook"]["at"].dt
    shows = local[local["item_type"] == "podcast"]["at"].dt
    assert books.hour.isin([20, 21, 22]).mean() > 2.0 * books.hour.isin([7, 8, 9]).mean()
    assert shows.hour.isin([7, 8]).mean() > 2.0 * shows.hour.isin([21, 22]).mean()
    assert books.weekday.isin([5, 6]).mean() > 1.2 * shows.weekday.isin([5, 6]).mean()


def test_memory_holds_one_chunk_of_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(first: int, count: int, *rest: object) -> object:
        sizes.append(count)
        return draw_people(first, count, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(simulation, "draw_people", counted)
    simulate(tmp_path / "world", TINY)
    assert sizes == [25, 25, 10]
    for name in ("users", "music", "interactions", "truth/users"):
        file = pq.ParquetFile(tmp_path / "world" / f"{name}.parquet")
        assert file.num_row_groups == 3
    first = pq.ParquetFile(tmp_path / "world" / "interactions.parquet").read_row_group(0)
    assert max(first["user_id"].to_pylist()) == "u00000024"


def test_world_json_says_what_and_how(small_world: World) -> None:
    content = json.loads((small_world.folder / "world.json").read_text())
    assert WorldSettings.model_validate(content["settings"]) == small_world.settings
    assert content["cut"] == "2025-06-16"
    assert content["window_days"] == 14
    assert {figure["key"] for figure in content["figures"]} >= {"top_users", "odds_follow"}


def test_a_former_world_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "world"
    out.mkdir()
    simulate(out, TINY)
    before = folder_digests(out)
    simulate(out, TINY.model_copy(update={"seed": 6}))
    assert folder_digests(out) != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["world"]

    (out / "notes.txt").write_text("mine")
    before = folder_digests(out)
    with pytest.raises(ConfigError, match=r"notes\.txt; nothing was touched"):
        simulate(out, TINY)
    assert folder_digests(out) == before


@pytest.mark.parametrize("name", ["items.parquet", "world.json", "thesis.tex"])
def test_what_is_not_a_world_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match="not empty"):
        simulate(tmp_path, TINY)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    with pytest.raises(ConfigError, match="is a file"):
        simulate(tmp_path / name, TINY)


def test_a_failure_leaves_the_former_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "world"
    simulate(out, TINY)
    before = folder_digests(out)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(simulation, "measure", fail)
    with pytest.raises(MemoryError):
        simulate(out, TINY)
    assert folder_digests(out) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["world"]


@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    users=st.integers(20, 60),
    days=st.integers(28, 60),
    chunk=st.integers(1, 80),
    seed=st.integers(0, 2**32),
    strange=st.sampled_from(
        [
            {"podcast_users": 0.0},
            {"audiobook_users": 0.0},
            {"languages": ("sv",)},
            {"new_users": 1.0, "new_audiobooks": 1.0},
            {"audiobook_rate": 400.0},
            {"music": 3, "author_taste": 1.0},
        ]
    ),
)
def test_any_world_can_be_written(
    tmp_path_factory: pytest.TempPathFactory,
    users: int,
    days: int,
    chunk: int,
    seed: int,
    strange: dict[str, object],
) -> None:
    out = tmp_path_factory.mktemp("any") / "world"
    plan = WorldSettings.model_validate(
        {
            "users": users,
            "audiobooks": 40,
            "podcasts": 40,
            "days": days,
            "chunk_users": chunk,
            "seed": seed,
            **strange,
        }
    )
    report = simulate(out, plan)
    assert report["events"] == pq.read_metadata(out / "interactions.parquet").num_rows
    assert pq.read_metadata(out / "users.parquet").num_rows == users
