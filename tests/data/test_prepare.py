from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.data import prepare
from colisten.data.catalogue import Catalogue
from colisten.data.checks import check_tables
from colisten.data.contract import EXPOSURES, INTERACTIONS, ITEMS, MUSIC, USERS
from colisten.data.prepare import check_cut, prepare_tables
from colisten.data.summary import TableSummary
from colisten.data.violation import TableViolations
from colisten.data.violations import (
    FutureTimestamp,
    ItemTypeMissing,
    NoHistory,
    TableUnreadable,
)
from colisten.errors import ConfigError, TableError
from colisten.files import file_digest, folder_digests
from colisten.settings.engine import Engine
from colisten.settings.tree import Settings
from tests.conftest import CUT, START
from tests.data.sources import SINCE, Row, copy_source, drop, edit, put, recast, replace, tables_of

WINDOW = 14


def run(source: Path, out: Path, cut: datetime = CUT, **changes: Any) -> TableSummary:
    return prepare_tables(source, out, cut=cut, window_days=WINDOW, engine=Engine(**changes))


def rows_of(file: Path) -> list[Row]:
    rows: list[Row] = pq.read_table(file).to_pylist()
    return rows


@pytest.fixture
def source(tiny_source: Path, tmp_path: Path) -> Path:
    return copy_source(tiny_source, tmp_path / "source")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "tables"


def test_history_ends_at_the_cut_and_the_holdout_begins_there(source: Path, out: Path) -> None:
    put(source, "interactions", "timestamp", {0: CUT, 1: CUT - timedelta(microseconds=1)})
    end = CUT + timedelta(days=WINDOW)
    put(source, "interactions", "timestamp", {2: end, 3: end - timedelta(microseconds=1)})
    events = rows_of(source / "interactions.parquet")
    run(source, out)
    history = rows_of(out / "history/interactions.parquet")
    holdout = rows_of(out / "holdout/interactions.parquet")
    assert len(history) == len([row for row in events if row["timestamp"] < CUT])
    assert len(holdout) == len([row for row in events if CUT <= row["timestamp"] < end])
    assert history[-1]["timestamp"] == CUT - timedelta(microseconds=1)
    assert holdout[0]["timestamp"] == CUT
    assert holdout[-1]["timestamp"] == end - timedelta(microseconds=1)
    shown = rows_of(source / "exposures.parquet")
    for folder, kept in (
        ("history", [row for row in shown if row["timestamp"] < CUT]),
        ("holdout", [row for row in shown if CUT <= row["timestamp"] < end]),
    ):
        assert kept
        assert rows_of(out / folder / "exposures.parquet") == kept
    music = rows_of(out / "history/music.parquet")
    assert len(music) == 80
    assert not (out / "holdout/music.parquet").exists()


def test_files_have_the_contracts_types_and_orders(source: Path, out: Path) -> None:
    recast(source, "interactions", "timestamp", pa.timestamp("ns", "America/New_York"))
    recast(source, "items", "item_id", pa.dictionary(pa.int32(), pa.string()))
    recast(source, "items", "published_at", pa.timestamp("s", "Asia/Tokyo"))
    recast(source, "music", "music_vector", pa.list_(pa.float64(), 4))
    recast(source, "users", "age", pa.int64())
    edit(source, "items", lambda rows: rows[::-1])
    edit(source, "interactions", lambda rows: rows[::-1])
    run(source, out)
    for table in (ITEMS, USERS, MUSIC, INTERACTIONS, EXPOSURES):
        schema = pq.read_schema(out / "history" / table.file_name)
        assert schema.equals(table.schema), table.name
    assert Catalogue.read(out / "history").num_items == 100
    keys = [
        (row["timestamp"], row["user_id"], row["item_id"], row["signal"])
        for row in rows_of(out / "history/interactions.parquet")
    ]
    assert keys == sorted(set(keys))


def test_nanoseconds_before_the_cut_stay_before_it(source: Path, out: Path) -> None:
    file = source / "interactions.parquet"
    moments = pq.read_table(file).column("timestamp").cast(pa.timestamp("ns", "UTC"))
    nanos = moments.cast(pa.int64()).to_pylist()
    nanos[0] = int(CUT.timestamp()) * 10**9 - 1
    replace(source, "interactions", "timestamp", pa.array(nanos, pa.timestamp("ns", "UTC")))
    run(source, out)
    last = rows_of(out / "history/interactions.parquet")[-1]["timestamp"]
    assert last == CUT - timedelta(microseconds=1)


def test_an_item_is_available_once_published_listened_to_or_shown(source: Path, out: Path) -> None:
    late = CUT + timedelta(days=1)
    new = [f"a9{number}" for number in range(6)]

    def add(rows: list[Row]) -> list[Row]:
        dates = (CUT, None, late, late, late, CUT - timedelta(microseconds=1))
        return [
            *rows,
            *(
                {**rows[0], "item_id": item, "published_at": date}
                for item, date in zip(new, dates, strict=True)
            ),
        ]

    edit(source, "items", add)
    edit(
        source,
        "interactions",
        lambda rows: [
            *rows,
            {**rows[0], "item_id": "a92", "item_type": "audiobook", "timestamp": START},
            {**rows[0], "item_id": "a93", "item_type": "audiobook", "timestamp": late},
        ],
    )
    edit(source, "exposures", lambda rows: [*rows, {**rows[0], "item_id": "a94"}])
    run(source, out)
    known = set(Catalogue.read(out / "history").item_ids)
    assert known & set(new) == {"a91", "a92", "a94", "a95"}
    assert "a93" in {row["item_id"] for row in rows_of(out / "holdout/interactions.parquet")}


def test_users_are_those_of_the_table_and_of_events_before_the_cut(source: Path, out: Path) -> None:
    edit(source, "users", lambda rows: [*rows[10:], {**rows[10], "user_id": "silent"}])
    edit(
        source,
        "interactions",
        lambda rows: [
            *(row for row in rows if row["user_id"] != "u0003"),
            {**rows[0], "user_id": "early", "timestamp": CUT - timedelta(days=1)},
            {**rows[0], "user_id": "late", "timestamp": CUT},
        ],
    )
    edit(source, "music", lambda rows: rows[10:])
    edit(source, "exposures", lambda rows: [row for row in rows if row["user_id"] != "u0003"])
    run(source, out)
    users = {row["user_id"]: row for row in rows_of(out / "history/users.parquet")}
    assert list(users) == sorted(users)
    assert {"silent", "early", "u0002"} <= users.keys()
    assert not {"late", "u0003"} & users.keys()
    assert users["u0002"] == {"user_id": "u0002", "country": None, "age": None}
    assert users["u0015"]["age"] == 33.0
    assert users["u0015"]["country"] == "SE"


def test_text_is_trimmed_and_blank_is_null(source: Path, out: Path) -> None:
    put(source, "items", "title", {0: " The\tClue \u00a0\n", 1: "\u3000 \t", 2: ""})
    put(source, "items", "language", {0: "  "})
    put(source, "items", "genres", {0: None, 1: [], 2: [" crime ", "", None, " "]})
    put(source, "users", "country", {0: " ", 1: " SE"})
    run(source, out)
    items = {row["item_id"]: row for row in rows_of(out / "history/items.parquet")}
    assert [items[f"a00{at}"]["title"] for at in range(3)] == ["The\tClue", None, None]
    assert items["a000"]["language"] is None
    assert [items[f"a00{at}"]["genres"] for at in range(3)] == [[], [], ["crime"]]
    users = rows_of(out / "history/users.parquet")
    assert [row["country"] for row in users[:2]] == [None, "SE"]


def test_exact_duplicates_go_and_near_ones_stay(source: Path, out: Path) -> None:
    before = run(source, out)

    def repeat(rows: list[Row]) -> list[Row]:
        other = {"stream": "follow"}.get(rows[0]["signal"], "stream")
        later = rows[0]["timestamp"] + timedelta(microseconds=1)
        return [
            *rows,
            rows[0],
            rows[0],
            {**rows[0], "signal": other},
            {**rows[0], "timestamp": later},
        ]

    edit(source, "interactions", repeat)
    edit(source, "exposures", lambda rows: [*rows, rows[0]])
    edit(source, "music", lambda rows: [*rows, rows[0]])
    after = run(source, out)
    assert after.duplicates == before.duplicates + 2
    assert after.rows["interactions.parquet"] == before.rows["interactions.parquet"] + 2
    assert after.rows["exposures.parquet"] == before.rows["exposures.parquet"]
    assert after.digests["music.parquet"] == before.digests["music.parquet"]


def test_only_items_and_interactions_are_needed(source: Path, out: Path) -> None:
    for table in ("users", "music", "links", "text_vectors", "popularity", "exposures"):
        (source / f"{table}.parquet").unlink()
    drop(source, "items", "description", "genres", "published_at")
    replace(source, "items", "language", pa.nulls(100))
    replace(source, "items", "title", pa.nulls(100))
    summary = run(source, out)
    assert sorted(path.name for path in (out / "holdout").iterdir()) == ["interactions.parquet"]
    assert sorted(summary.rows) == [
        "interactions.parquet",
        "items.parquet",
        "music.parquet",
        "users.parquet",
    ]
    assert summary.rows["music.parquet"] == 0
    assert summary.rows["users.parquet"] == 80
    item = rows_of(out / "history/items.parquet")[0]
    assert item == {
        "item_id": "a000",
        "item_type": "audiobook",
        "title": None,
        "description": None,
        "language": None,
        "genres": [],
        "published_at": None,
    }
    assert pq.read_schema(out / "history/items.parquet").equals(ITEMS.schema)


def test_the_summary_tells_what_was_written(source: Path, out: Path) -> None:
    summary = run(source, out, cut=CUT.astimezone(UTC))
    history = out / "history"
    assert TableSummary.read(history) == summary
    assert summary.cut == "2025-06-30T00:00:00+00:00"
    assert summary.items == {"audiobook": 40, "podcast": 60}
    assert set(summary.digests) == {path.name for path in history.glob("*.parquet")}
    for name, digest in summary.digests.items():
        assert file_digest(history / name) == digest
        assert pq.read_metadata(history / name).num_rows == summary.rows[name]
    (history / "summary.json").write_text(json.dumps({"cut": 1}))
    with pytest.raises(TableError, match="Prepare the tables again"):
        TableSummary.read(history)


def test_bytes_depend_on_neither_row_order_nor_threads(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_ROW_GROUP", 64)
    run(source, tmp_path / "one", threads=1)
    for table in tables_of(source):
        edit(source, table, lambda rows: rows[1::2] + rows[::2][::-1])
    run(source, tmp_path / "two", threads=4, memory_limit="500MB")
    assert folder_digests(tmp_path / "one") == folder_digests(tmp_path / "two")
    assert pq.read_metadata(tmp_path / "one/history/interactions.parquet").num_row_groups > 2


def test_exposures_that_begin_after_the_cut_leave_no_file_in_the_history(
    source: Path, out: Path
) -> None:
    edit(source, "exposures", lambda rows: [row for row in rows if row["timestamp"] >= CUT])
    with_late = run(source, out)
    assert (out / "holdout/exposures.parquet").exists()
    (source / "exposures.parquet").unlink()
    assert run(source, out) == with_late
    assert not (out / "holdout/exposures.parquet").exists()


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: put(folder, "users", "age", {0: -1.0}), TableError),
        (
            lambda folder: put(
                folder, "interactions", "timestamp", {0: datetime(2200, 1, 1, tzinfo=UTC)}
            ),
            FutureTimestamp,
        ),
        (
            lambda folder: edit(
                folder,
                "interactions",
                lambda rows: [row for row in rows if row["timestamp"] >= CUT],
            ),
            NoHistory,
        ),
    ],
)
def test_a_violation_leaves_nothing_behind(
    spoil: Callable[[Path], None], error: type[TableError], source: Path, out: Path
) -> None:
    spoil(source)
    with pytest.raises(error) as raised:
        run(source, out)
    assert raised.value.exit_code == 2
    assert [path.name for path in out.parent.iterdir()] == ["source"]


def test_a_failing_write_leaves_the_old_tables(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, out)
    before = folder_digests(out.parent)
    written: list[Path] = []
    write = prepare._write

    def fail_late(views: Any, part: Any, file: Path) -> int:
        if len(written) == 4:
            raise TableUnreadable(part.table.name)
        written.append(file)
        return write(views, part, file)

    monkeypatch.setattr(prepare, "_write", fail_late)
    with pytest.raises(TableUnreadable):
        run(source, out, cut=CUT - timedelta(days=3))
    assert len(written) == 4
    assert folder_digests(out.parent) == before


def test_a_type_that_is_all_to_come_is_refused(source: Path, out: Path) -> None:
    (source / "exposures.parquet").unlink()

    def postpone(rows: list[Row]) -> None:
        for row in rows:
            if row["item_type"] == "audiobook":
                row["published_at"] = CUT

    edit(source, "items", postpone)
    edit(
        source,
        "interactions",
        lambda rows: [
            row for row in rows if row["item_type"] == "podcast" or row["timestamp"] >= CUT
        ],
    )
    with pytest.raises(ItemTypeMissing, match="no audiobook is published before the cut"):
        run(source, out)
    assert not out.exists()


def test_the_cut_needs_a_zone_and_the_window_a_day(source: Path, out: Path) -> None:
    with pytest.raises(TableError, match="no time zone"):
        run(source, out, cut=datetime(2025, 6, 30))
    with pytest.raises(ConfigError, match="at least one day"):
        prepare_tables(source, out, cut=CUT, window_days=0)
    for days in (100_000, 10_000_000, 10**40):
        with pytest.raises(ConfigError, match=r"A window of [\d,]+ days .* ends after 2200"):
            prepare_tables(source, out, cut=CUT, window_days=days)
        with pytest.raises(ConfigError, match="ends after 2200"):
            check_cut(source, cut=CUT, window_days=days)
    with pytest.raises(NoHistory, match="they reach from 2025-01"):
        run(source, out, cut=START)
    run(source, out, cut=CUT + timedelta(days=200))
    assert pq.read_metadata(out / "holdout/interactions.parquet").num_rows == 0


def test_links_are_those_that_were_known_between_items_that_were_there(
    source: Path, tiny_source: Path, tmp_path: Path
) -> None:
    edit(
        source, "items", lambda rows: [*rows, {**rows[0], "item_id": "later", "published_at": CUT}]
    )
    put(source, "links", "other_id", {2: "later"})
    assert check_tables(source).links == {"same author": 2, "talks of / 'it'": 1}
    links = {}
    for name, cut in (("before", SINCE), ("after", SINCE + timedelta(microseconds=1))):
        prepare_tables(source, tmp_path / name, cut=cut, window_days=30)
        links[name] = pq.read_table(tmp_path / name / "history" / "links.parquet")
    assert links["before"].schema.names == ["item_id", "other_id", "relation", "since"]
    always = {"item_id": "a010", "other_id": "a011", "relation": "same author", "since": None}
    known = {"item_id": "a010", "other_id": "p011", "relation": "talks of / 'it'", "since": SINCE}
    assert links["before"].to_pylist() == [always]
    assert links["after"].to_pylist() == [always, known]
    prepare_tables(tiny_source, tmp_path / "none", cut=CUT, window_days=30)
    assert not (tmp_path / "none" / "history" / "links.parquet").exists()


def test_columns_that_settings_name_are_prepared(
    source: Path, tiny_source: Path, tmp_path: Path
) -> None:
    file = source / "users.parquet"
    users = pq.read_table(file)
    users = users.append_column("Plan 'X'", pa.array([" paid ", "", None, "free"] * 20))
    pq.write_table(users.append_column("days", pa.array([1, 2, None, 4] * 20)), file)
    features = {"Plan 'X'": "category", "days": "number"}
    chosen = Settings.model_validate({"data": {"user_features": features}})
    assert check_tables(source, data=chosen.data).missing["users.Plan 'X'"] == 0.5
    prepare_tables(source, tmp_path / "out", cut=CUT, window_days=30, data=chosen.data)
    rows = pq.read_table(tmp_path / "out" / "history" / "users.parquet").to_pylist()[:4]
    assert [row["Plan 'X'"] for row in rows] == ["paid", None, None, "free"]
    assert [row["days"] for row in rows] == [1.0, 2.0, None, 4.0]
    with pytest.raises(TableViolations, match="Plan 'X': the column is missing"):
        check_tables(tiny_source, data=chosen.data)
    (source / "users.parquet").unlink()
    prepare_tables(source, tmp_path / "none", cut=CUT, window_days=30, data=chosen.data)
    assert pq.read_table(tmp_path / "none" / "history" / "users.parquet")["days"].null_count == 80
