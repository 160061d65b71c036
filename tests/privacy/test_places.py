"""Rows of one person leave a table; every other row and the way it is written stay."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data import table_log
from colisten.data.table_log import TableLog, drop_rows
from colisten.privacy.places import ParquetTable, RowLog, tables_in
from colisten.release.seen import SeenItems
from tests.hostile import VALUES
from tests.privacy.home import whole

SCHEMA = pa.schema([("user_id", pa.string()), ("at", pa.int64())])
IDS = st.sampled_from([None, "u1", "u10", "U1", "%", "u1 ", *VALUES[:40]])


def rows_of(users: list[str | None]) -> pa.Table:
    return pa.table({"user_id": users, "at": range(len(users))}, schema=SCHEMA)


@given(
    st.lists(IDS, max_size=40),
    IDS.filter(bool),
    st.integers(1, 7),
    st.sampled_from(["none", "zstd", "snappy"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_table_without_a_person_is_the_others_in_their_order(
    users: list[str | None], person: str, group: int, compression: str, coded: bool
) -> None:
    table = rows_of(users).replace_schema_metadata({"made": "by hand"})
    if coded:
        words = pa.dictionary(pa.int32(), pa.string())
        table = table.set_column(0, pa.field("user_id", words), table["user_id"].cast(words))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.parquet"
        pq.write_table(table, file, row_group_size=group, compression=compression)
        before = file.read_bytes()
        place = ParquetTable(file)
        assert place.count(person) == place.remove(person) == users.count(person)
        if person not in users:
            assert file.read_bytes() == before
        after = pq.read_table(file)
        kept = [(user, at) for at, user in enumerate(users) if user != person]
        assert list(zip(after["user_id"].to_pylist(), after["at"].to_pylist(), strict=True)) == kept
        assert after.schema.equals(table.schema, check_metadata=True)
        if users:
            codec = pq.ParquetFile(file).metadata.row_group(0).column(0).compression
            assert codec.lower() == compression.replace("none", "uncompressed")
        assert place.remove(person) == 0


def test_no_byte_of_a_coded_column_is_left(tmp_path: Path) -> None:
    """A dictionary keeps words that no row has, and statistics keep bounds."""
    file, person = tmp_path / "t.parquet", "the only one of this name"
    words = pa.dictionary(pa.int32(), pa.string())
    users = pa.array(["u1", person, "u2"]).cast(words)
    pq.write_table(pa.table({"user_id": users}), file, compression="none")
    assert person.encode() in file.read_bytes()
    assert ParquetTable(file).remove(person) == 1
    assert person.encode() not in file.read_bytes()


@given(st.lists(st.lists(IDS, min_size=1, max_size=6), max_size=6), IDS.filter(bool))
@settings(max_examples=40, deadline=None)
def test_a_log_without_a_person_is_the_others_in_their_order(
    batches: list[list[str | None]], person: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = TableLog(Path(folder), SCHEMA, part_bytes=1 << 20)
        for users in batches:
            log.append(rows_of(users))
        log.close()
        everyone = [user for users in batches for user in users]
        found = [RowLog(file) for file in sorted(Path(folder).glob("*"))]
        assert sum(place.count(person) for place in found) == everyone.count(person)
        assert sum(place.remove(person) for place in found) == everyone.count(person)
        kept = [
            user
            for batch in table_log.logged(Path(folder), SCHEMA)
            for user in batch["user_id"].to_pylist()
        ]
        assert kept == [user for user in everyone if user != person]


def test_a_writer_at_work_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that come while the file is rewritten are kept; the next go to a file of their own."""
    log = TableLog(tmp_path, SCHEMA, part_bytes=1 << 20)
    log.append(rows_of(["u1", "person", "u2"]))
    (file,) = tmp_path.glob("*")
    rewritten = table_log._replace

    def while_somebody_writes(path: Path, *rest: Any) -> int:
        if path == file:
            log.append(rows_of(["person", "u3"]))
        return rewritten(path, *rest)

    monkeypatch.setattr(table_log, "_replace", while_somebody_writes)
    assert drop_rows(file, "user_id", "person") == 2
    monkeypatch.undo()
    log.append(rows_of(["u4"]))
    log.close()
    kept = pa.Table.from_batches(table_log.logged(tmp_path, SCHEMA))
    assert sorted(kept["user_id"].to_pylist()) == ["u1", "u2", "u3", "u4"]
    assert not [name for name, content in whole(tmp_path) if b"person" in content]
    assert len(list(tmp_path.glob("*"))) == 3


def test_a_torn_tail_goes_with_the_rows_before_it(tmp_path: Path) -> None:
    log = TableLog(tmp_path, SCHEMA, part_bytes=1 << 20)
    log.append(rows_of(["u1", "person"]))
    log.append(rows_of(["person"]))
    log.close()
    (file,) = tmp_path.glob("*")
    file.write_bytes(file.read_bytes()[:-9])
    assert drop_rows(file, "user_id", "person") == 1
    with pa.ipc.open_stream(io.BytesIO(file.read_bytes())) as stream:
        assert stream.read_all()["user_id"].to_pylist() == ["u1"]


def test_what_is_no_table_is_said_and_links_are_not_followed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere.parquet"
    home.mkdir()
    pq.write_table(rows_of(["u1"]), elsewhere)
    (home / "link.parquet").symlink_to(elsewhere)
    (home / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    pq.write_table(pa.table({"item_id": ["a0"]}), home / "items.parquet")
    pq.write_table(rows_of(["u1"]), home / "without an ending")
    unreadable: list[Path] = []
    assert [one.path.name for one in tables_in(home, (), unreadable)] == ["without an ending"]
    assert [path.name for path in unreadable] == ["broken.parquet"]


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), max_size=6), st.data())
@settings(max_examples=30, deadline=None)
def test_what_others_had_stays(had: list[list[int]], data: st.DataObject) -> None:
    from colisten.features.seen import id_hashes

    users = [f"u{at}" for at in range(len(had))]
    hashes = id_hashes(users) if users else np.zeros(0, np.uint64)
    order = np.argsort(hashes)
    lengths = [len(had[at]) for at in order]
    seen = SeenItems(
        hashes[order],
        np.append(0, np.cumsum(lengths)).astype(np.int64),
        np.array([item for at in order for item in had[at]], np.int32),
    )
    person = data.draw(st.sampled_from([*users, "nobody"]))
    left = seen.without(person)
    for user, items in zip(users, had, strict=True):
        assert left.of(user).tolist() == ([] if user == person else items)
    assert len(left.users) == len(users) - (person in users)
    assert left.offsets[-1] == len(left.items)
