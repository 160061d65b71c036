"""One table of theirs as one of ours: every fault at once, and the rows in DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from colisten.data.contract import Column, Table
from colisten.data.spelling import alike, related, shown
from colisten.data.sql import sql_name
from colisten.data.violation import SHOWN_ROWS, Violation
from colisten.importing.faults import (
    NoSuchColumn,
    NothingMapped,
    TwoForOne,
    UnmappedValue,
    UnreadableMoment,
)
from colisten.importing.mapping import TableMapping
from colisten.importing.meanings import meaning
from colisten.importing.sources import Source
from colisten.importing.times import fitting_formats
from colisten.importing.values import Broken, Value, constant, dropped, value
from colisten.words import counted, nearest

_SHOWN_VALUES = 8
ROW = "source_row"
"""The column that says which of their rows one of ours was."""


@dataclass
class Translated:
    """Rows of ours in DuckDB, under the table's name.

    Attributes:
        source: Their rows.
        columns: Ours, of those that their rows say.
        faults: What cannot be translated; the rows hold null there.
        notices: What is left out, and what is only likely.
        dropped: Rows that the mapping leaves out.
    """

    source: Source
    columns: list[Column] = field(default_factory=list)
    faults: list[Violation] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    dropped: int = 0


@dataclass(frozen=True)
class Wanted:
    """What a table of ours takes.

    Attributes:
        table: Its name and the columns that it may have, also those that others are derived from.
        required: Names of those that must be there.
        words: The values that a column may hold, by its name.
        zone: Of times that name none; None where nobody says.
    """

    table: Table
    required: frozenset[str]
    words: dict[str, tuple[str, ...]]
    zone: str | None


def translate(source: Source, mapping: TableMapping, wanted: Wanted) -> Translated:
    """Make a table of ours of theirs, beside the faults that hinder it."""
    done = Translated(source)
    values = list(_values(source, mapping, wanted, done))
    done.columns = [each.column for each in values]
    left_out = dropped(mapping) if not _unknown(source, mapping.values) else "false"
    selected = "".join(f", {each.sql} AS {sql_name(each.column.name)}" for each in values)
    source.query(
        f"CREATE TABLE {wanted.table.name} AS "
        f"SELECT rowid AS {ROW}{selected} FROM {source.name} WHERE NOT ({left_out})"
    )
    [(rows,)] = source.query(f"SELECT count(*) FROM {wanted.table.name}")
    done.dropped = source.rows - int(rows)
    if done.dropped:
        rows = counted(done.dropped, "row")
        done.notices.append(f"{wanted.table.name}: {rows} left out, as mapped.")
    for each in values:
        kept = f"NOT ({left_out}) AND"
        done.faults += [
            fault
            for broken in each.broken
            for fault in _broken(source, wanted.table.name, each, broken, kept)
        ]
        done.notices += _shifted(source, wanted.table.name, each, kept)
        done.faults += _unmapped(source, wanted, each)
    return done


def _values(
    source: Source, mapping: TableMapping, wanted: Wanted, done: Translated
) -> Iterator[Value]:
    """A value for each column of ours that their rows say; what hinders others into `done`."""
    table = wanted.table.name
    done.faults += _absent(source, mapping, wanted)
    by_ours: dict[str, list[str]] = {}
    for theirs in source.types:
        ours = mapping.columns.get(theirs, theirs)
        if ours is not None:
            by_ours.setdefault(ours, []).append(theirs)
    for column in wanted.table.columns:
        names = by_ours.pop(column.name, [])
        if column.name in mapping.constants:
            yield constant(column, mapping.constants[column.name])
        elif len(names) > 1:
            both = " and ".join(map(shown, names))
            detail = f"{both} are both mapped to it"
            done.faults.append(TwoForOne(table, column.name, detail=detail))
        elif names:
            yield value(column, names[0], source.types[names[0]], mapping, wanted.zone)
        elif column.name in wanted.required:
            done.faults.append(_nothing(table, column.name, list(source.types), by_ours))
    unread = [name for names in by_ours.values() for name in names]
    if unread:
        spelt = ", ".join(map(shown, unread))
        done.notices.append(f"{table}: {spelt} of the files are mapped to nothing and not read.")


def _absent(source: Source, mapping: TableMapping, wanted: Wanted) -> list[Violation]:
    """What the mapping names and the files, or the table, do not have."""
    table = wanted.table.name
    faults: list[Violation] = []
    for section in ("columns", "values", "formats"):
        for theirs in _unknown(source, getattr(mapping, section)):
            ours = mapping.columns.get(theirs)
            near = nearest(theirs, list(source.types))
            faults.append(
                NoSuchColumn(
                    table,
                    ours,
                    detail=f"{section} of the mapping names {shown(theirs)}, which the files "
                    "do not have",
                    do=f"They have {', '.join(map(shown, source.types))}; nearest is {near!r}.",
                )
            )
    known = [column.name for column in wanted.table.columns]
    for ours in (*mapping.columns.values(), *mapping.constants):
        if ours is not None and ours not in known:
            faults.append(
                NoSuchColumn(
                    table,
                    detail=f"the mapping names {shown(ours)}, which is no column of ours here",
                    do=f"The nearest one is {nearest(ours, known)!r}, of {', '.join(known)}; "
                    "further ones are declared in data.filterable and data.user_features.",
                )
            )
    return faults


def _unknown(source: Source, named: Iterable[str]) -> list[str]:
    return [name for name in named if name not in source.types]


def _nothing(
    table: str, column: str, theirs: list[str], unread: dict[str, list[str]]
) -> NothingMapped:
    free = [name for names in unread.values() for name in names] or theirs
    near = alike(column, free) or related(column, free)
    if near:
        do = f"If {shown(near[0])} is meant, add `{near[0]}: {column}` under {table}.columns."
    else:
        do = f"Add `THEIRS: {column}` under {table}.columns, or one value for all under constants."
    spelt = ", ".join(map(shown, theirs))
    return NothingMapped(table, column, detail=f"no column is mapped to it, of {spelt}", do=do)


def _broken(source: Source, table: str, one: Value, broken: Broken, kept: str) -> list[Violation]:
    theirs = one.theirs or ""
    where = f"{kept} ({broken.sql})"
    [(count,)] = source.query(f"SELECT count(*) FROM {source.name} WHERE {where}")
    if not count:
        return []
    rows = source.query(
        f"SELECT rowid FROM {source.name} WHERE {where} ORDER BY rowid LIMIT {SHOWN_ROWS}"
    )
    do = _format_advice(source, theirs, where) if broken.fault is UnreadableMoment else broken.do
    shows = source.bad_rows([int(row[0]) for row in rows], [theirs])
    return [
        broken.fault(
            table, one.column.name, count=int(count), rows=shows, detail=broken.detail, do=do
        )
    ]


def _format_advice(source: Source, theirs: str, where: str) -> str:
    """The formats that fit what could not be read."""
    texts = source.query(
        f"SELECT DISTINCT CAST({sql_name(theirs)} AS VARCHAR) FROM "
        f"(SELECT * FROM {source.name} WHERE {where} LIMIT 2000)"
    )
    fits = fitting_formats(source.connection, [str(row[0]) for row in texts])
    if len(fits) == 1:
        return f"Say how they are written: `formats: {{{theirs}: '{fits[0]}'}}`."
    if fits:
        both = " and ".join(f"'{form}'" for form in fits)
        return f"Say how they are written: `formats: {{{theirs}: ...}}`; {both} fit all of them."
    return (
        f"Correct or drop these rows, name what means no value under `nulls`, or say how times "
        f"are written, e.g. `formats: {{{theirs}: '%d/%m/%Y %H:%M'}}`."
    )


def _shifted(source: Source, table: str, one: Value, kept: str) -> list[str]:
    if not one.shifted:
        return []
    [(count,)] = source.query(
        f"SELECT count(*) FROM {source.name} WHERE {kept} coalesce({one.shifted}, false)"
    )
    if not count:
        return []
    return [
        f"{table}.{one.column.name}: {counted(count, 'local time')} in an hour that the clock "
        "skipped or showed twice, and perhaps an hour off; export UTC to be sure."
    ]


def _unmapped(source: Source, wanted: Wanted, one: Value) -> list[Violation]:
    """Words that are none of ours, each with its count."""
    known = wanted.words.get(one.column.name)
    if known is None:
        return []
    name, table = sql_name(one.column.name), wanted.table.name
    strange = f"{name} IS NOT NULL AND {name} NOT IN (SELECT unnest(?))"
    counts = source.connection.execute(
        f"SELECT {name}, count(*) FROM {table} WHERE {strange} GROUP BY 1 ORDER BY 2 DESC, 1",
        [list(known)],
    ).fetchall()
    if not counts:
        return []
    numbers = source.connection.execute(
        f"SELECT {ROW} FROM {table} WHERE {strange} ORDER BY {ROW} LIMIT {SHOWN_ROWS}",
        [list(known)],
    ).fetchall()
    spelt = ", ".join(f"{word!r} ({count:,})" for word, count in counts[:_SHOWN_VALUES])
    more = len(counts) - _SHOWN_VALUES
    spelt += f" and {more:,} more" if more > 0 else ""
    word = str(counts[0][0])
    theirs = one.theirs or one.column.name
    near = meaning(word, known)
    do = (
        f"Say what each means, e.g. `values: {{{theirs}: {{{word}: {near or known[0]}}}}}` "
        f"(ours are {', '.join(known)}), `{word}: null` to leave its rows out, or name it in "
        f"{'data.signals' if one.column.name == 'signal' else 'data.context_types'} of --config."
    )
    shows = source.bad_rows([int(row[0]) for row in numbers], [one.theirs] if one.theirs else [])
    return [
        UnmappedValue(
            table,
            one.column.name,
            count=sum(int(count) for _, count in counts),
            rows=shows,
            detail=f"{spelt} {'is' if len(counts) == 1 else 'are'} none of ours",
            do=do,
        )
    ]
