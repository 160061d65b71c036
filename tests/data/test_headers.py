"""Columns and files that are nearly named as the contract has them."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.data import violations
from colisten.data.checks import check_tables
from colisten.data.contract import TABLES, Column, Table
from colisten.data.prepare import prepare_tables
from colisten.data.report import TableReport
from colisten.errors import TableError
from tests.conftest import CUT
from tests.data.sources import copy_source, recast

# Without those that no table of ours has, since only reports read them.
OPTIONAL = [
    (table, column)
    for table in TABLES
    for column in table.columns
    if not column.required and column.written
]
REQUIRED = [(table, column) for table in TABLES for column in table.columns if column.required]
AROUND = ["", " ", "\t", "\ufeff", "\u00ef\u00bb\u00bf", '"', "\u200b", "_", "\u00a0"]


@pytest.fixture(scope="module")
def right(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> TableReport:
    """What is said of the tables as they are."""
    return check_tables(copy_source(tiny_source, tmp_path_factory.mktemp("right")))


def _wide(name: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in name)


def _accented(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("e", "e\u0301", 1))


CASES: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.title,
    str.capitalize,
    lambda name: name.title().replace("_", ""),
    lambda name: name[0] + name.title().replace("_", "")[1:],
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", " "),
    lambda name: name.replace("_", "."),
    _wide,
    _accented,
]


@st.composite
def spellings(draw: st.DrawFn, name: str) -> str:
    before, after = draw(st.sampled_from(AROUND)), draw(st.sampled_from(AROUND[:4]))
    spelt: str = before + draw(st.sampled_from(CASES))(name) + after
    return spelt


def rename(folder: Path, table: Table, old: str, new: str) -> None:
    file = folder / table.file_name
    names = [new if name == old else name for name in pq.read_schema(file).names]
    pq.write_table(pq.read_table(file).rename_columns(names), file)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), which=st.sampled_from(OPTIONAL))
def test_an_optional_column_under_another_spelling_is_read_and_named(
    tiny_source: Path,
    right: TableReport,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    which: tuple[Table, Column],
) -> None:
    table, column = which
    spelt = data.draw(spellings(column.name))
    folder = copy_source(tiny_source, tmp_path_factory.mktemp("spelt"))
    rename(folder, table, column.name, spelt)
    report = check_tables(folder)
    assert changed(report, notices=()) == changed(right, notices=())
    said = [notice for notice in report.notices if f"to '{column.name}'" in notice]
    assert (spelt == column.name) == (said == [])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), which=st.sampled_from(REQUIRED))
def test_a_required_column_under_another_spelling_is_refused_with_the_rename(
    tiny_source: Path,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    which: tuple[Table, Column],
) -> None:
    table, column = which
    spelt = data.draw(spellings(column.name).filter(lambda name: name != column.name))
    folder = copy_source(tiny_source, tmp_path_factory.mktemp("spelt"))
    rename(folder, table, column.name, spelt)
    with pytest.raises(violations.ColumnMissing, match=f"Rename the column .* to '{column.name}'"):
        check_tables(folder)


def test_spelling_changes_nothing_that_is_learned(tiny_source: Path, tmp_path: Path) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    right = prepare_tables(folder, tmp_path / "a", cut=CUT, window_days=14)
    for table, column in OPTIONAL:
        rename(folder, table, column.name, f"\ufeff{column.name.title().replace('_', '')}")
    (folder / "users.parquet").rename(folder / "Users.PARQUET")
    (folder / "music.parquet").rename(folder / "music.parq")
    again = prepare_tables(folder, tmp_path / "b", cut=CUT, window_days=14)
    assert again.digests == right.digests


@pytest.mark.parametrize(("table", "column"), [*OPTIONAL, *REQUIRED], ids=lambda each: each.name)
def test_the_right_name_wins_over_another_spelling_which_is_named(
    tiny_source: Path, right: TableReport, tmp_path: Path, table: Table, column: Column
) -> None:
    # Often one of the two is the empty remnant of an export, and not always the other.
    folder = copy_source(tiny_source, tmp_path / "source")
    file = folder / table.file_name
    rows = pq.read_table(file)
    spelt = column.name.title()
    pq.write_table(rows.add_column(0, spelt, pa.nulls(len(rows), pa.string())), file)
    report = check_tables(folder)
    assert changed(report, notices=()) == changed(right, notices=())
    assert [one for one in report.notices if one not in right.notices] == [
        f"{table.file_name} has '{column.name}', so '{spelt}' is not read. If it is meant, give it "
        f"the name '{column.name}' and drop the other."
    ]


LONGER = ["{table}.{name}", "x_{name}", "{name}_x", "the:{name}", "{name} (all)", "{camel}Of2"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(which=st.sampled_from([*OPTIONAL, *REQUIRED]), form=st.sampled_from(LONGER))
def test_a_longer_name_around_that_of_a_missing_column_is_named(
    tiny_source: Path,
    tmp_path_factory: pytest.TempPathFactory,
    which: tuple[Table, Column],
    form: str,
) -> None:
    table, column = which
    spelt = form.format(
        table=table.name, name=column.name, camel=column.name.title().replace("_", "")
    )
    folder = copy_source(tiny_source, tmp_path_factory.mktemp("longer"))
    rename(folder, table, column.name, spelt)
    said = f"'{spelt}' is meant, rename it to '{column.name}'"
    if column.required:
        with pytest.raises(violations.ColumnMissing, match=f"If {re.escape(said)}"):
            check_tables(folder)
    else:
        told = " ".join(check_tables(folder).notices)
        assert f"{spelt!r} is not read" in told
        assert f"to '{column.name}'" in told


def test_another_spelling_of_another_type_is_refused(tiny_source: Path, tmp_path: Path) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    recast(folder, "users", "age", pa.string())
    rename(folder, TABLES[1], "age", "Age")
    with pytest.raises(
        violations.WrongType, match=r"Rename the column 'Age' to 'age', then"
    ) as raised:
        check_tables(folder)
    assert "is string, not number" in str(raised.value)


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("published_at", "pubDate"),
        ("published_at", "releaseDate"),
        ("language", "langauge"),
        ("language", "lang"),
        ("genres", "Genre"),
        ("description", "desc"),
        ("published_at", "itunes:pubDate"),
        ("published_at", "first_published"),
        ("published_at", "datePublished"),
        ("language", "lang_code"),
        ("genres", "itunes:category"),
    ],
)
def test_what_may_be_meant_is_named_and_not_read(
    tiny_source: Path, tmp_path: Path, column: str, other: str
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    rename(folder, TABLES[0], column, other)
    report = check_tables(folder)
    assert report.missing[f"podcast.{column}"] == 1.0
    assert any(f"'{other}' is not read" in notice for notice in report.notices)


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ("timestamp", "timestmap"),
        ("timestamp", "ts"),
        ("timestamp", "event_time"),
        ("timestamp", "endTime"),
        ("item_id", "id"),
        ("user_id", "customer_id"),
        ("signal", "event_type"),
    ],
)
def test_what_may_be_meant_by_a_required_column_is_named(
    tiny_source: Path, tmp_path: Path, column: str, other: str
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    rename(folder, TABLES[3], column, other)
    with pytest.raises(violations.ColumnMissing, match=f"If '{other}' is meant, rename it"):
        check_tables(folder)


@pytest.mark.parametrize("name", ["Users.parquet", "users.PARQUET", "user.parquet", "USERS.parq"])
def test_an_optional_table_under_another_spelling_is_read_and_named(
    tiny_source: Path, tmp_path: Path, name: str
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    right = check_tables(folder)
    (folder / "users.parquet").rename(folder / name)
    report = check_tables(folder)
    assert changed(report, notices=()) == changed(right, notices=())
    assert report.notices == (
        f"There is no users.parquet; '{name}' is read as it. Rename '{name}' to 'users.parquet'.",
    )


@pytest.mark.parametrize("name", ["users.csv", "Users", "user.parquet.gz"])
def test_an_optional_table_of_another_kind_is_named(
    tiny_source: Path, tmp_path: Path, name: str
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    (folder / "users.parquet").unlink()
    for make, do in (
        (Path.touch, f"Write '{name}' as one parquet file"),
        (Path.mkdir, f"Rename the folder '{name}' to 'users'"),
    ):
        make(folder / name)
        told = check_tables(folder).notices
        assert any(f"'{name}' is not read. {do}" in one for one in told)
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["Items.parquet", "item.parquet", "ITEMS.PARQUET", "items.pq"])
def test_a_required_table_under_another_spelling_is_refused_with_the_rename(
    tiny_source: Path, tmp_path: Path, name: str
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    (folder / "items.parquet").rename(folder / name)
    with pytest.raises(violations.TableMissing, match=f"Rename '{name}' to 'items.parquet'"):
        check_tables(folder)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_link_to_nothing_is_a_table_that_cannot_be_read(
    tiny_source: Path, tmp_path: Path, table: Table
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    file = folder / table.file_name
    file.unlink()
    file.symlink_to(tmp_path / "gone.parquet")
    with pytest.raises(TableError) as raised:
        check_tables(folder)
    assert f"{table.name}: {file} cannot be read" in str(raised.value)
