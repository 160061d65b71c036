"""One column of ours as SQL over rows of theirs, and which rows it cannot be made of."""

from __future__ import annotations

from collections.abc import Mapping as Named
from dataclasses import dataclass

from colisten.data.contract import MOMENT, TEXT, TEXTS, VECTOR, WHOLE, Column
from colisten.data.sql import is_blank, sql_name, sql_text
from colisten.importing.faults import UnreadableMoment, UnreadableValue, ZoneMissing
from colisten.importing.mapping import TableMapping
from colisten.importing.times import Moment, moment, shifted


@dataclass(frozen=True)
class Broken:
    """Rows that a column cannot be made of: the class of fault and their SQL predicate."""

    fault: type[UnreadableMoment] | type[UnreadableValue] | type[ZoneMissing]
    sql: str
    detail: str = ""
    do: str = ""


@dataclass(frozen=True)
class Value:
    """A column of ours.

    Attributes:
        column: Of the contract.
        theirs: The column it is made of; None for a constant.
        sql: The value.
        broken: Rows at fault.
        shifted: Predicate of local times that a clock skipped or showed twice; "" where none can.
    """

    column: Column
    theirs: str | None
    sql: str
    broken: tuple[Broken, ...] = ()
    shifted: str = ""


def constant(column: Column, text: str) -> Value:
    """One text for every row."""
    return Value(column, None, f"CAST({sql_text(text)} AS {column.kind.sql})")


def value(column: Column, theirs: str, kind: str, mapping: TableMapping, zone: str | None) -> Value:
    """A column of ours from one of theirs.

    Args:
        column: Ours.
        theirs: The name of theirs.
        kind: Its DuckDB type.
        mapping: Of the table.
        zone: Of times that name none; None where nobody says.
    """
    name = sql_name(theirs)
    if column.kind is MOMENT:
        form = mapping.formats.get(theirs)
        return _moment(column, theirs, moment(name, kind, zone, form), zone)
    if column.kind is TEXT:
        return Value(column, theirs, _renamed(_text(name, kind), mapping.values.get(theirs, {})))
    written = f"trim(CAST({name} AS VARCHAR))"
    if column.kind is TEXTS:
        sql, wanted = _texts(name, written, kind, mapping.separator), "a list of texts"
    elif column.kind is VECTOR:
        sql, wanted = f"TRY_CAST({name} AS FLOAT[])", "a list of numbers such as [0.1, -2]"
    elif column.kind is WHOLE:
        sql, wanted = f"TRY_CAST({written} AS INTEGER)", "a whole number"
    else:
        width = "FLOAT" if column.kind.arrow.bit_width == 32 else "DOUBLE"
        sql, wanted = f"TRY_CAST({written} AS {width})", "a number"
    missing = f"{name} IS NOT NULL AND {written} <> '' AND {sql} IS NULL"
    do = "Correct them, or name what means no value, e.g. `nulls: ['NULL', 'n/a']`."
    broken = Broken(UnreadableValue, missing, f"not {wanted}", do)
    return Value(column, theirs, sql, (broken,))


def dropped(mapping: TableMapping) -> str:
    """SQL predicate: the mapping leaves the row out; never null."""
    cases = [
        f"coalesce(trim(CAST({sql_name(theirs)} AS VARCHAR)) = {sql_text(text)}, false)"
        for theirs, words in mapping.values.items()
        for text, ours in words.items()
        if ours is None
    ]
    return " OR ".join(cases) or "false"


def _moment(column: Column, theirs: str, found: Moment, zone: str | None) -> Value:
    name = sql_name(theirs)
    unread = f"{name} IS NOT NULL AND trim(CAST({name} AS VARCHAR)) <> '' AND {found.sql} IS NULL"
    broken = [Broken(UnreadableMoment, unread)]
    if zone is None:
        return Value(
            column, theirs, found.sql, (*broken, Broken(ZoneMissing, f"({found.zoneless})"))
        )
    moved = "" if zone.casefold() in ("utc", "gmt", "etc/utc") else shifted(found, zone)
    return Value(column, theirs, found.sql, tuple(broken), moved)


def _text(name: str, kind: str) -> str:
    if kind in ("DOUBLE", "FLOAT"):  # 7.0 was 7 before a gap in its column made floats of all
        whole = f"{name} = floor({name}) AND abs({name}) < {2**53}"
        return (
            f"CASE WHEN {whole} THEN CAST(CAST({name} AS BIGINT) AS VARCHAR) "
            f"ELSE CAST({name} AS VARCHAR) END"
        )
    return f"decode({name})" if kind == "BLOB" else f"CAST({name} AS VARCHAR)"


def _renamed(text: str, words: Named[str, str | None]) -> str:
    cases = " ".join(
        f"WHEN {sql_text(theirs)} THEN {sql_text(ours)}"
        for theirs, ours in words.items()
        if ours is not None
    )
    return f"CASE trim({text}) {cases} ELSE {text} END" if cases else text


def _texts(name: str, written: str, kind: str, separator: str) -> str:
    if kind.endswith("[]"):
        return f"TRY_CAST({name} AS VARCHAR[])"
    parts = f"list_transform(string_split({written}, {sql_text(separator)}), lambda x: trim(x))"
    return (
        f"CASE WHEN {name} IS NULL OR {is_blank(name)} THEN [] "
        f"WHEN {written} LIKE '[%' THEN TRY_CAST({written} AS VARCHAR[]) "
        f"ELSE list_filter({parts}, lambda x: x <> '') END"
    )
