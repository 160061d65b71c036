"""Training rows hold what was known strictly before, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from colisten.data.catalogue import Catalogue
from colisten.errors import FeatureError
from colisten.feature_repo.repo import build_feature_repo
from colisten.feature_repo.sources import write_sources
from colisten.features.names import history_columns
from colisten.features.store import (
    OnlineFeatures,
    history_types,
    music_dim,
    open_store,
    training_rows,
    user_rows,
)
from colisten.features.users import UserBatch
from colisten.settings.sections import FeatureSettings
from tests.conftest import CUT, FIELDS, ITEM_TYPES, START
from tests.features.naive import MOMENT, events_table, history_of

LENGTH = 5
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture(scope="session")
def live(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FeatureStore]:
    """A repository whose sources a test rewrites; short histories, so that the cap bites."""
    folder = tmp_path_factory.mktemp("live")
    features = FeatureSettings(history_length=LENGTH)
    build_feature_repo(tiny_history, folder, as_of=CUT, features=features)
    return folder, open_store(folder)


def rows_after(
    live: tuple[Path, FeatureStore],
    tiny_history: Path,
    work: Path,
    events: pd.DataFrame,
    entities: pa.Table,
) -> pa.Table:
    """Training rows of `entities` from a repository of these events."""
    folder, store = live
    work.mkdir(exist_ok=True)
    for name in ("items", "users", "music"):
        pq.write_table(pq.read_table(tiny_history / f"{name}.parquet"), work / f"{name}.parquet")
    pq.write_table(events_table(events), work / "interactions.parquet")
    features = FeatureSettings(history_length=LENGTH)
    write_sources(work, folder / "sources", as_of=CUT, features=features, text_vectors=None)
    return training_rows(store, entities)


def entities_of(asked: list[tuple[str, datetime]]) -> pa.Table:
    return pa.table(
        {
            "user_id": pa.array([user for user, _ in asked], pa.string()),
            "item_id": pa.array([f"a{at:03d}" for at in range(len(asked))], pa.string()),
            "timestamp": pa.array([moment for _, moment in asked], MOMENT),
        }
    )


# Few users, few moments, some a microsecond apart: ties and near misses are common.
users = st.sampled_from(["u0000", "u0001", "stranger"])
moments = st.builds(
    lambda day, micro: START + day * DAY + micro * MICROSECOND,
    st.integers(0, 6),
    st.integers(0, 2),
)
event = st.tuples(
    users,
    st.sampled_from(["a000", "a001", "p000", "p001", "p002"]),
    st.sampled_from(["stream", "follow"]),
    moments,
)


def frame_of(events: list[tuple[str, str, str, datetime]]) -> pd.DataFrame:
    frame = pd.DataFrame(events, columns=["user_id", "item_id", "signal", "timestamp"])
    frame["item_type"] = ["audiobook" if item[0] == "a" else "podcast" for item in frame.item_id]
    frame["timestamp"] = pd.to_datetime(frame.timestamp, utc=True)
    return frame


@given(
    events=st.lists(event, min_size=1, max_size=40),
    later=st.lists(event, max_size=8),
    asked=st.lists(st.tuples(users, moments), min_size=1, max_size=12),
)
@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_nothing_looks_ahead(
    live: tuple[Path, FeatureStore],
    tiny_history: Path,
    tmp_path: Path,
    events: list[tuple[str, str, str, datetime]],
    later: list[tuple[str, str, str, datetime]],
    asked: list[tuple[str, datetime]],
) -> None:
    entities = entities_of(asked)
    frame = frame_of(events)
    rows = rows_after(live, tiny_history, tmp_path / "now", frame, entities)
    assert rows.select(entities.column_names).equals(entities)
    for at, (user, moment) in enumerate(asked):
        row = {name: rows.column(name)[at].as_py() for name in rows.column_names}
        for item_type in ITEM_TYPES:
            expected = history_of(frame, user, item_type, pd.Timestamp(moment), LENGTH)
            for name, values in expected.items():
                assert row[name] == values
            for time in row[history_columns(item_type)[2]]:
                assert time < pd.Timestamp(moment).value // 1000

    last = max(moment for _, moment in asked)
    shifted = [(user, item, signal, moment + 10 * DAY) for user, item, signal, moment in later]
    at_once = [(user, "p002", "follow", last) for user, _ in asked]
    more = pd.concat([frame, frame_of(shifted + at_once)])
    assert rows_after(live, tiny_history, tmp_path / "more", more, entities).equals(rows)


def test_training_rows_keep_order_columns_and_strangers(store: FeatureStore) -> None:
    entities = entities_of(
        [("u0003", CUT), ("nobody", CUT), ("u0001", START), ("u0003", CUT), ("u0000", CUT)]
    ).append_column("weight", pa.array([5, 4, 3, 2, 1]))
    rows = training_rows(store, entities)
    assert rows.select(entities.column_names).equals(entities)
    assert rows.column("country").to_pylist() == ["SE", None, "DE", "SE", "SE"]
    assert rows.column("age").to_pylist() == [21.0, None, 19.0, 21.0, None]
    music = rows.column("music_vector")
    assert [None if one is None else len(one) for one in music.to_pylist()] == [4, None, None, 4, 4]
    for item_type in ITEM_TYPES:
        for name in history_columns(item_type):
            column = rows.column(name)
            assert column.null_count == 0
            assert column[1].as_py() == column[2].as_py() == []
            assert column[0] == column[3]
    assert len(rows.column("podcast_item_ids")[0]) > 0


def test_every_user_of_the_offline_store(
    store: FeatureStore, catalogue: Catalogue, tiny_history: Path
) -> None:
    ids = pq.read_table(tiny_history / "users.parquet").column("user_id").to_pylist()
    rows = user_rows(store, ids, CUT)
    assert rows.column("user_id").to_pylist() == ids
    batch = UserBatch.from_table(rows, catalogue.index_of, FIELDS)
    assert batch.known.all()
    events = pq.read_table(tiny_history / "interactions.parquet").num_rows
    assert sum(history.offsets[-1] for history in batch.histories.values()) == events
    half = START + 90 * DAY
    earlier = UserBatch.from_table(user_rows(store, ids, half), catalogue.index_of, FIELDS)
    for item_type in ITEM_TYPES:
        history = batch.histories[item_type]
        before = history.times < pd.Timestamp(half).value // 1000
        assert np.array_equal(earlier.histories[item_type].items, history.items[before])
        assert 0 < before.sum() < len(before)


def test_blocks_of_rows_answer_like_one(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    asked = [
        (f"u{user:04d}", START + int(day) * DAY)
        for user, day in zip(rng.integers(0, 90, 60), rng.integers(0, 200, 60), strict=True)
    ]
    whole = training_rows(store, entities_of(asked))
    monkeypatch.setattr("colisten.features.store._BLOCK_ROWS", 7)
    assert training_rows(store, entities_of(asked)).equals(whole)


def test_the_session_zone_of_duckdb_has_no_say(feature_folder: Path) -> None:
    asked = entities_of([("u0003", CUT)])
    before = training_rows(open_store(feature_folder), asked)
    ibis.get_backend().raw_sql("SET TimeZone = 'America/Los_Angeles'")
    assert training_rows(open_store(feature_folder), asked).equals(before)


def test_no_rows_asked_no_rows_answered(store: FeatureStore) -> None:
    rows = training_rows(store, entities_of([]))
    assert len(rows) == 0
    assert "audiobook_times" in rows.column_names


def test_the_store_says_what_it_keeps(store: FeatureStore) -> None:
    assert music_dim(store) == 4
    assert history_types(store) == ("audiobook", "podcast")


def test_bad_questions_are_refused(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="no column 'item_id'"):
        training_rows(store, entities_of([]).drop(["item_id"]))
    naive = entities_of([("u0001", START)])
    naive = naive.set_column(2, "timestamp", naive.column(2).cast(pa.timestamp("us")))
    with pytest.raises(FeatureError, match="without a time zone"):
        training_rows(store, naive)
    with pytest.raises(FeatureError, match="no time zone"):
        user_rows(store, ["u0001"], datetime(2025, 1, 1))
    with pytest.raises(FeatureError, match="No feature repository"):
        open_store(tmp_path)


def test_a_registry_that_is_gone_is_no_empty_one(feature_folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(feature_folder, copy)
    (copy / "registry.db").unlink()
    for _ in range(2):
        with pytest.raises(FeatureError, match="Cannot open"):
            OnlineFeatures(copy, lambda ids: np.zeros(len(ids), np.int64), FIELDS)


def test_a_repository_reads_its_own_sources_wherever_it_lies(
    feature_folder: Path, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(feature_folder, copy)
    before = user_rows(open_store(feature_folder), ["u0001"], CUT)
    (feature_folder / "sources").rename(feature_folder / "elsewhere")
    try:
        assert user_rows(open_store(copy), ["u0001"], CUT).equals(before)
        with pytest.raises(FeatureError, match="Copy a repository whole"):
            open_store(feature_folder)
        online = OnlineFeatures(feature_folder, lambda ids: np.zeros(len(ids), np.int64), FIELDS)
        assert online.read(["u0001", "nobody"]).known.tolist() == [True, False]
    finally:
        (feature_folder / "elsewhere").rename(feature_folder / "sources")
