"""Whatever a folder is called, a file in it holds what was written into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.data import parquet
from colisten.data.contract import TABLES

COLUMNS = sorted({column.name for table in TABLES for column in table.columns})
# A row each that no folder's name can be taken for, in every column that a name could replace.
ROWS = pa.table({name: [f"{name} of its own", "second", None] for name in COLUMNS})
WORLDS = ("podcast", "audiobook", "stream", "7", "2025-06-01", "__HIVE_DEFAULT_PARTITION__", "")
PATTERNS = ("*", "**", "?", "[a]", "[!a]", "[a-z]", "{a,b}", "[", "]", "\\", "\\*", "a\\[b]")
QUOTES = ("'", '"', "''", "`", "';--", "$HOME", "${HOME}", "%41", "%", "#", "?x=1", "&", ";", "|")
SCHEMES = ("s3:", "file:", "http:", "C:", "a:b", "~", "~root", "-", "--out", ".hidden", "_hidden")
TEXT = (" ", " a", "a ", "a b", "ü", "u\u0308", "日本", "🎧", "a\tb", "a\nb", "\u202e", "a,b")

hive = st.builds("{}={}".format, st.sampled_from(COLUMNS), st.sampled_from(WORLDS))
piece = st.one_of(
    hive,
    st.sampled_from(PATTERNS + QUOTES + SCHEMES + TEXT),
    st.text(
        st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]),
        min_size=1,
        max_size=12,
    ),
)
folder_names = (
    st.lists(piece, min_size=1, max_size=4)
    .map("".join)
    .filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """An empty folder that relative paths start from."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.fixture(scope="module")
def engine() -> Iterator[ibis.BaseBackend]:
    engine = ibis.duckdb.connect()
    yield engine
    engine.disconnect()


@given(
    names=st.lists(folder_names, min_size=1, max_size=3),
    around=folder_names,
    absolute=st.booleans(),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_file_is_read_for_what_it_is(
    here: Path, engine: ibis.BaseBackend, names: list[str], around: str, absolute: bool
) -> None:
    folder = Path(*names)
    folder = here / folder if absolute else folder
    folder.mkdir(parents=True, exist_ok=True)
    # What a pattern could match instead.
    for beside in (here / around, folder.parent / "a", folder.parent / "ab"):
        beside.mkdir(parents=True, exist_ok=True)
        parquet.write(ROWS.slice(0, 1), beside / "rows.parquet")
    file = folder / "rows.parquet"
    with parquet.writer(file, ROWS.schema) as writer:
        writer.write_table(ROWS)
    assert file.is_file()

    assert parquet.read(file).equals(ROWS)
    second = parquet.read(file, columns=["user_id"], filters=pc.field("item_id") == "second")
    assert second.to_pylist() == [{"user_id": "second"}]
    with parquet.opened(file) as inside:
        assert (inside.metadata.num_rows, inside.schema_arrow.names) == (3, COLUMNS)
        assert inside.read_row_group(0).equals(ROWS)
    with duckdb.connect() as connection:
        once = connection.sql(f"FROM {parquet.scan(file)}").to_arrow_table()
        assert once.equals(ROWS)
        connection.execute(f"CREATE VIEW twice AS FROM {parquet.scan(file, file)}")
        assert connection.sql("FROM twice").to_arrow_table().equals(pa.concat_tables([ROWS] * 2))
    assert engine.to_pyarrow(parquet.table(engine, file)).equals(ROWS)


def test_what_lies_beside_a_file_does_not_matter(tmp_path: Path) -> None:
    for name in ("\\*", "\\", "a", "[a]", "?"):
        (tmp_path / name).mkdir()
        parquet.write(ROWS.slice(0, 1), tmp_path / name / "rows.parquet")
    file = tmp_path / "*" / "rows.parquet"
    file.parent.mkdir()
    parquet.write(ROWS, file)
    with duckdb.connect() as connection:
        assert connection.sql(f"FROM {parquet.scan(file)}").to_arrow_table().equals(ROWS)
        # One that is written anew is the one that is read.
        parquet.write(ROWS.slice(1), file)
        assert connection.sql(f"FROM {parquet.scan(file)}").to_arrow_table().num_rows == 2


def test_columns_may_be_matched_by_name(tmp_path: Path) -> None:
    parquet.write(pa.table({"a": [1], "b": [2]}), tmp_path / "1.parquet")
    parquet.write(pa.table({"b": [3], "a": [4]}), tmp_path / "2.parquet")
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    with duckdb.connect() as connection:
        scan = parquet.scan(*files, options="union_by_name = true")
        assert connection.sql(f"FROM {scan}").fetchall() == [(1, 2), (4, 3)]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    parquet.write(ROWS, tmp_path / "part.parquet")
    with pytest.raises(OSError, match="directory"):
        parquet.read(tmp_path)
    with pytest.raises(OSError, match="directory"), parquet.opened(tmp_path):
        pass


def test_an_unknown_engine_is_named() -> None:
    engine = type("Engine", (), {"name": "sqlite"})()
    with pytest.raises(ValueError, match="sqlite"):
        parquet.table(engine, Path("a.parquet"))


@pytest.mark.slow
def test_spark_reads_a_file_for_what_it_is(tmp_path: Path, spark: Any) -> None:
    named = [f"{name}=podcast" for name in COLUMNS]
    for name in ("/".join(named), *PATTERNS, *QUOTES, *SCHEMES, *TEXT, "a:b[c]*", "x:y/z*"):
        file = tmp_path / "files" / name / "rows.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write(ROWS, file)
        assert spark.to_pyarrow(parquet.table(spark, file)).equals(ROWS), name
