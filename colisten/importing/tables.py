"""The import itself: translate every table, derive what is missing, check, and only then write."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from colisten.data import parquet
from colisten.data.checks import check_tables
from colisten.data.contract import INTERACTIONS, ITEMS, TABLES, USERS, Column, Table, tables_of
from colisten.data.report import TableReport
from colisten.data.sql import sql_name
from colisten.data.violation import TableViolations, Violation
from colisten.data.violations import (
    InteractionWithUnknownItem,
    NullMusicVector,
    NullTimestamp,
    PositionOutOfRange,
    UnknownItemType,
    UnknownSignal,
)
from colisten.errors import ConfigError
from colisten.files import write_aside
from colisten.importing.derived import derive, of_two_types, type_from_items
from colisten.importing.faults import ImportFault
from colisten.importing.mapping import Mapping
from colisten.importing.sources import load, open_engine
from colisten.importing.times import known_zone
from colisten.importing.translation import ROW, Translated, Wanted, translate
from colisten.logs import logger
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.words import counted

log = logger("importing")

SHOWN = 5
_ROW_GROUP = 131_072
_OF_NULLS = (NullMusicVector, NullTimestamp, PositionOutOfRange, UnknownItemType, UnknownSignal)
"""What the check says of a value that could not be translated, and was told already."""


@dataclass(frozen=True)
class ImportedTable:
    """One table of ours.

    Attributes:
        rows: How many.
        dropped: Rows of theirs that the mapping leaves out, or that are there twice.
        derived: Whether it was made of the interactions.
        first: The first rows, by column.
    """

    rows: int
    dropped: int
    derived: bool
    first: list[dict[str, Any]]


@dataclass(frozen=True)
class Imported:
    """What an import made.

    Attributes:
        tables: By name, in the order of the contract.
        notices: What is not read, left out or only likely.
        report: Of the check.
    """

    tables: dict[str, ImportedTable]
    notices: list[str]
    report: TableReport


@dataclass
class _Work:
    """Tables under way, in one DuckDB."""

    connection: duckdb.DuckDBPyConnection
    tables: dict[str, Table]
    mapping: Mapping
    done: dict[str, Translated] = field(default_factory=dict)
    columns: dict[str, list[Column]] = field(default_factory=dict)
    faults: list[Violation] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    twice: dict[str, int] = field(default_factory=dict)


def import_tables(
    mapping: Mapping,
    out: Path | None,
    *,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> Imported:
    """Make the tables of the contract of an export.

    Items and users that no file holds are derived from the interactions, an interaction's type
    from the items. What is made is checked by `check_tables` before it gets its name.

    Args:
        mapping: Which files hold what; see `read_mapping`.
        out: Folder to write: absent, empty, or holding tables and nothing else, which are
            replaced. None writes nothing, and checks all the same.
        data: Types, signals and further columns.
        engine: Bounds of DuckDB.

    Raises:
        Violation, TableViolations: Everything that hinders it, from `importing.faults` or
            `data.violations`; `out` is as it was.
        ConfigError: A zone is unknown, or `out` holds something else.
        TableError: Memory or temporary disk do not suffice.
    """
    for zone in (mapping.timezone, *(each.timezone for each in mapping.tables().values())):
        known_zone(zone or "UTC")
    if out is not None:
        _check_free(out)
    with open_engine(engine) as connection, _place(out) as folder:
        work = _Work(connection, {table.name: table for table in tables_of(data)}, mapping)
        _translate_all(work, data)
        _derive_all(work)
        for name, columns in work.columns.items():
            _write(work, name, columns, folder / f"{name}.parquet")
        report = _checked(work, folder, data, engine)
        imported = Imported(_shown(work), work.notices, report)
    log.info("tables imported", out=str(out), **report.rows)
    return imported


@contextmanager
def _place(out: Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="colisten-import-") as folder:
            yield Path(folder)
    else:
        with write_aside(out) as aside:
            aside.mkdir()
            yield aside


def _check_free(out: Path) -> None:
    known = {table.file_name for table in TABLES}
    if not out.exists():
        return
    others = [] if not out.is_dir() else sorted(path.name for path in out.iterdir())
    strange = [name for name in others if name not in known]
    if strange or not out.is_dir():
        what = f"holds {strange[0]!r}, which is no table" if strange else "is no folder"
        raise ConfigError(f"{out} {what}.", "Name a folder that is new, empty, or holds tables.")


def _translate_all(work: _Work, data: DataSettings) -> None:
    """Translate every table that the mapping names, interactions with what others may need."""
    words = {"item_type": data.item_types, "signal": data.signal_names}
    for name, mapped in work.mapping.tables().items():
        source, faults = load(work.connection, name, mapped)
        work.faults += faults
        if source is None:
            continue
        table = work.tables[name]
        required = {column.name for column in table.columns if column.required}
        if name == INTERACTIONS.name:
            table = _with_what_is_derived(work, table)
            if work.mapping.items is not None:
                required -= {"item_type"}
        if name == ITEMS.name and "title" not in mapped.columns.values():
            required -= {"title"}
        wanted = Wanted(table, frozenset(required), words, work.mapping.zone_of(mapped))
        done = translate(source, mapped, wanted)
        work.done[name], work.columns[name] = done, done.columns
        work.faults += done.faults
        work.notices += done.notices


def _with_what_is_derived(work: _Work, table: Table) -> Table:
    """Interactions with the columns of the items and users that are derived from them."""
    columns = list(table.columns)
    for other in (ITEMS.name, USERS.name):
        if getattr(work.mapping, other) is None:
            known = {column.name for column in columns}
            columns += [each for each in work.tables[other].columns if each.name not in known]
    return replace(table, columns=tuple(columns))


def _derive_all(work: _Work) -> None:
    events = work.done.get(INTERACTIONS.name)
    if ITEMS.name in work.done:
        _fill_title(work)
    for name in (ITEMS.name, USERS.name):
        if name in work.done:
            _drop_twice(work, name)
    if events is None:
        return
    named = {column.name: column for column in events.columns}
    if "item_type" not in named and ITEMS.name in work.done and "item_id" in named:
        type_from_items(events.source)
        named["item_type"] = work.tables[INTERACTIONS.name].column("item_type")
    if work.mapping.items is None and {"item_id", "item_type"} <= named.keys():
        work.faults += of_two_types(events.source, list(events.source.types)[:SHOWN])
        work.columns[ITEMS.name] = derive(events.source, work.tables[ITEMS.name], events.columns)
    if work.mapping.users is None and "user_id" in named:
        work.columns[USERS.name] = derive(events.source, work.tables[USERS.name], events.columns)
    own = work.tables[INTERACTIONS.name].columns
    work.columns[INTERACTIONS.name] = [each for each in own if each.name in named]


def _fill_title(work: _Work) -> None:
    """The column that must be there, though every title may be unknown."""
    columns = work.columns[ITEMS.name]
    if "title" not in {column.name for column in columns}:
        work.connection.execute("ALTER TABLE items ADD COLUMN title VARCHAR")
        columns.append(work.tables[ITEMS.name].column("title"))
        work.notices.append("items: no column is mapped to 'title', so no title has any text.")


def _drop_twice(work: _Work, name: str) -> None:
    """Keep the first of rows that say the same in every column."""
    columns = ", ".join(sql_name(column.name) for column in work.columns[name])
    [(before,)] = work.connection.execute(f"SELECT count(*) FROM {name}").fetchall()
    work.connection.execute(
        f"DELETE FROM {name} WHERE {ROW} NOT IN (SELECT min({ROW}) FROM {name} GROUP BY {columns})"
    )
    [(after,)] = work.connection.execute(f"SELECT count(*) FROM {name}").fetchall()
    work.twice[name] = int(before) - int(after)
    if before > after:
        rows = counted(int(before) - int(after), "row")
        work.notices.append(f"{name}: {rows} left out: another says the same in every column.")


def _write(work: _Work, name: str, columns: list[Column], file: Path) -> None:
    selected = ", ".join(
        f"CAST({sql_name(column.name)} AS {column.kind.sql}) AS {sql_name(column.name)}"
        for column in columns
    )
    schema = pa.schema([(column.name, column.kind.arrow) for column in columns])
    rows = work.connection.sql(f"SELECT {selected or 'NULL'} FROM {name} ORDER BY {ROW}")
    with parquet.writer(file, schema, compression="zstd") as writer:
        for batch in rows.to_arrow_reader(_ROW_GROUP):
            table = pa.Table.from_batches([batch]).select([column.name for column in columns])
            writer.write_table(table.cast(schema))


def _checked(work: _Work, folder: Path, data: DataSettings, engine: Engine) -> TableReport:
    """The check's report; raises what it and the translation found, each thing once."""
    try:
        report = check_tables(folder, data=data, engine=engine)
        violations: list[Violation] = []
    except (Violation, TableViolations) as broken:
        report, violations = (
            None,
            [_of_source(work, each) for each in broken.violations if not _known(work, each)],
        )
    violations = work.faults + violations
    if report is None or violations:
        raise violations[0] if len(violations) == 1 else TableViolations(violations)
    return report


def _known(work: _Work, violation: Violation) -> bool:
    """Whether a violation only follows from a fault of the translation."""
    for fault in work.faults:
        if (fault.table, fault.column) == (violation.table, violation.column):
            if type(fault) is type(violation):
                return True
            if isinstance(fault, ImportFault) and isinstance(violation, _OF_NULLS):
                return True
    # What was not translated is missing where it was looked for, and in what is derived of it.
    return bool(work.faults) and (
        not violation.rows or isinstance(violation, InteractionWithUnknownItem)
    )


def _of_source(work: _Work, violation: Violation) -> Violation:
    """A violation told of the rows as they came."""
    done = work.done.get(violation.table)
    if done is None or not violation.rows:
        return violation
    places = ", ".join(str(row.number) for row in violation.rows)
    numbers = work.connection.execute(
        f"SELECT {ROW} FROM (SELECT {ROW}, row_number() OVER (ORDER BY {ROW}) - 1 AS place "
        f"FROM {violation.table}) WHERE place IN ({places}) ORDER BY place"
    ).fetchall()
    shown = done.source.bad_rows([int(row[0]) for row in numbers], list(done.source.types)[:SHOWN])
    return type(violation)(
        violation.table,
        violation.column,
        count=violation.count,
        rows=shown,
        detail=violation.detail,
        do=violation.do,
    )


def _shown(work: _Work) -> dict[str, ImportedTable]:
    tables = {}
    for table in TABLES:
        if table.name not in work.columns:
            continue
        names = [column.name for column in work.columns[table.name]]
        selected = ", ".join(map(sql_name, names))
        rows = work.connection.execute(
            f"SELECT {selected} FROM {table.name} ORDER BY {ROW} LIMIT {SHOWN}"
        ).fetchall()
        [(count,)] = work.connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()
        done = work.done.get(table.name)
        tables[table.name] = ImportedTable(
            rows=int(count),
            dropped=(done.dropped if done else 0) + work.twice.get(table.name, 0),
            derived=done is None,
            first=[dict(zip(names, row, strict=True)) for row in rows],
        )
    return tables
