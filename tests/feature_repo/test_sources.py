"""The sources: the same bytes for the same tables, and nothing from the future."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.errors import FeatureError
from colisten.feature_repo import sources
from colisten.feature_repo.sources import MOMENT, write_sources
from colisten.features.names import TIMESTAMP, history_columns, history_view
from colisten.files import folder_digests
from colisten.settings.sections import FeatureSettings
from colisten.settings.tree import Settings
from tests.conftest import CUT, ITEM_TYPES, START

HALF = START + timedelta(days=90)
SETTINGS = Settings()


def copy_of(history: Path, folder: Path, **tables: pa.Table) -> Path:
    """The history folder with some tables replaced."""
    folder.mkdir()
    for file in sorted(history.glob("*.parquet")):
        table = tables.get(file.stem)
        pq.write_table(pq.read_table(file) if table is None else table, folder / file.name)
    return folder


def digests(history: Path, out: Path, as_of: datetime = HALF) -> dict[str, str]:
    write_sources(history, out, as_of=as_of, text_vectors=None)
    return folder_digests(out)


def test_later_events_change_no_byte(tiny_history: Path, tmp_path: Path) -> None:
    before = digests(tiny_history, tmp_path / "out")
    assert digests(tiny_history, tmp_path / "again") == before

    events = pq.read_table(tiny_history / "interactions.parquet").to_pandas()
    later = events[events.timestamp >= HALF]
    assert len(later) > 100
    shuffled = later.assign(
        item_id=np.random.default_rng(0).permutation(later.item_id.to_numpy()),
        timestamp=later.timestamp + pd.Timedelta(days=1),
    )
    at_once = events.iloc[:1].assign(timestamp=HALF)
    early = events[events.timestamp < HALF]
    schema = pq.read_schema(tiny_history / "interactions.parquet")
    for name, frame in (
        ("removed", early),
        ("altered", pd.concat([early, at_once, shuffled])),
    ):
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        history = copy_of(tiny_history, tmp_path / name, interactions=table)
        assert digests(history, tmp_path / f"{name}_out") == before
    assert digests(tiny_history, tmp_path / "whole", CUT) != before


def test_music_at_or_after_the_moment_is_left_out(tiny_history: Path, tmp_path: Path) -> None:
    given = pa.table(
        {
            "user_id": ["u0001", "u0000", "u0001"],
            "music_vector": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32())),
            "timestamp": pa.array([HALF, START, START], MOMENT),
        }
    )
    history = copy_of(tiny_history, tmp_path / "history", music=given)
    dim = write_sources(history, tmp_path / "out", as_of=HALF, text_vectors=None)
    assert dim == 2
    written = pq.read_table(tmp_path / "out" / "user_music.parquet")
    assert written.column("user_id").to_pylist() == ["u0000", "u0001"]
    assert written.column("music_vector").to_pylist() == [[3.0, 4.0], [5.0, 6.0]]


def test_blocks_of_users_write_what_one_would(
    tiny_history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests(tiny_history, tmp_path / "one")
    monkeypatch.setattr(sources, "_BLOCK_ENTRIES", 300)
    digests(tiny_history, tmp_path / "many")
    for item_type in ITEM_TYPES:
        one, many = (
            tmp_path / name / f"{history_view(item_type)}.parquet" for name in ("one", "many")
        )
        assert pq.ParquetFile(many).num_row_groups > 3 * pq.ParquetFile(one).num_row_groups
        table = pq.read_table(many)
        assert table.equals(pq.read_table(one))
        keys = list(zip(table["user_id"].to_pylist(), table[TIMESTAMP].to_pylist(), strict=True))
        assert keys == sorted(set(keys))


def test_times_are_microseconds_and_histories_keep_their_length(
    tiny_history: Path, tmp_path: Path
) -> None:
    features = FeatureSettings(history_length=3)
    write_sources(tiny_history, tmp_path / "out", as_of=CUT, features=features, text_vectors=None)
    for file in sorted((tmp_path / "out").glob("*.parquet")):
        assert pq.read_schema(file).field(TIMESTAMP).type == MOMENT
    for item_type in ITEM_TYPES:
        table = pq.read_table(tmp_path / "out" / f"{history_view(item_type)}.parquet")
        lengths = {len(row) for row in table[history_columns(item_type)[0]].to_pylist()}
        assert lengths == {1, 2, 3}


def test_missing_tables_and_vectors_leave_typed_empty_sources(
    tiny_history: Path, tmp_path: Path
) -> None:
    history = copy_of(tiny_history, tmp_path / "history")
    (history / "users.parquet").unlink()
    (history / "music.parquet").unlink()
    out = tmp_path / "out"
    dim = write_sources(history, out, as_of=CUT, text_vectors=None)
    assert dim == 0
    for name, schema in (
        ("user_profile", sources.profile_schema(SETTINGS.data)),
        ("user_music", sources.MUSIC_SCHEMA),
        ("item_text", sources.TEXT_SCHEMA),
    ):
        table = pq.read_table(out / f"{name}.parquet")
        assert len(table) == 0
        assert table.schema.equals(schema)


def test_text_vectors_are_lists_in_catalogue_order(tiny_history: Path, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(100, 6)).astype(np.float32)
    out = tmp_path / "out"
    write_sources(tiny_history, out, as_of=CUT, text_vectors=vectors)
    table = pq.read_table(out / "item_text.parquet")
    items = pq.read_table(tiny_history / "items.parquet")
    assert table.column("item_id").equals(items.column("item_id"))
    assert np.array_equal(np.array(table.column("text_vector").to_pylist(), np.float32), vectors)


def test_what_does_not_fit_is_refused(tiny_history: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(FeatureError, match="no time zone"):
        digests(tiny_history, out, datetime(2025, 3, 1))
    with pytest.raises(FeatureError, match="7 text vectors for 100 items"):
        write_sources(tiny_history, out, as_of=CUT, text_vectors=np.zeros((7, 2)))
    with pytest.raises(FeatureError, match="No items"):
        digests(tmp_path, out)
    uneven = pa.table(
        {
            "user_id": ["u0000", "u0001"],
            "music_vector": pa.array([[1.0, 2.0], [3.0]], pa.list_(pa.float32())),
            "timestamp": pa.array([START, START], MOMENT),
        }
    )
    history = copy_of(tiny_history, tmp_path / "uneven", music=uneven)
    with pytest.raises(FeatureError, match=r"lengths \[1, 2\]"):
        digests(history, out)
    assert not out.exists()
