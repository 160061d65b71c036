"""A mapping drafted from the files alone, for a person to correct: names that are near, words that
usually mean ours. What nothing suggests stands there as a comment, and the import asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from colisten.data.contract import INTERACTIONS, ITEMS, MOMENT, USERS, Table, tables_of
from colisten.data.spelling import alike, related
from colisten.data.sql import sql_name
from colisten.data.violation import TableViolations
from colisten.importing.mapping import TableMapping
from colisten.importing.meanings import meaning
from colisten.importing.sources import Source, load, open_engine
from colisten.importing.times import fitting_formats, moment
from colisten.json_files import to_json
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.words import counted

_MOST_WORDS = 40
_SAMPLE = 2000
_HEAD = """\
# A draft: look through it and correct it. Left of a colon are their names, right of it ours.
# Then: colisten import THIS.yaml --dry-run
"""


def propose_mapping(
    files: Sequence[Path], *, data: DataSettings = DataSettings(), engine: Engine = Engine()
) -> str:
    """A commented YAML of a mapping.

    Args:
        files: Files of an export, or folders of parts, each of one table.
        data: Types, signals and further columns.
        engine: Bounds of DuckDB.

    Raises:
        Violation, TableViolations: A file cannot be read.
    """
    with open_engine(engine) as connection:
        drafts: dict[str, list[str]] = {}
        zoneless = False
        for at, file in enumerate(files):
            mapping = TableMapping(file=(str(file),))
            source, faults = load(connection, f"draft_{at}", mapping)
            if source is None:
                raise faults[0] if len(faults) == 1 else TableViolations(faults)
            table, columns = _best(source, data, drafts)
            lines, without_zone = _draft(source, file, table, columns, data)
            drafts[table.name] = lines
            zoneless |= without_zone
    zone = ["timezone: UTC  # of times that name none: put the export's here"] if zoneless else []
    return _HEAD + "\n".join([*zone, *(line for lines in drafts.values() for line in lines)]) + "\n"


def _best(
    source: Source, data: DataSettings, taken: dict[str, list[str]]
) -> tuple[Table, dict[str, str]]:
    """The table that a file most likely is, and their columns with ours."""
    scored = []
    for table in tables_of(data):
        if table.name in taken or table.name not in _LIKELY:
            continue
        columns = _columns(table, list(source.types))
        needed = [column.name for column in table.columns if column.required]
        met = sum(name in columns.values() for name in needed)
        scored.append((met / len(needed), len(columns), table, columns))
    if not scored:
        table = INTERACTIONS
        return table, _columns(table, list(source.types))
    _, _, table, columns = max(scored, key=lambda each: each[:2])
    if table.name == INTERACTIONS.name:
        # What else it says of items and users comes with it.
        rest = [name for name in source.types if name not in columns]
        for other in (ITEMS, USERS):
            further = _columns(other, rest)
            columns |= {
                name: ours
                for name, ours in further.items()
                if ours not in columns.values() and name not in columns
            }
    return table, columns


_LIKELY = (INTERACTIONS.name, ITEMS.name, USERS.name)


def _columns(table: Table, theirs: list[str]) -> dict[str, str]:
    """Their columns that may mean ours: first those that surely do."""
    found: dict[str, str] = {}
    for near in (lambda ours, free: [ours] if ours in free else alike(ours, free), related):
        for column in table.columns:
            free = [name for name in theirs if name not in found]
            if column.name not in found.values() and (names := near(column.name, free)):
                found[names[0]] = column.name
    return found


def _draft(
    source: Source, file: Path, table: Table, columns: dict[str, str], data: DataSettings
) -> tuple[list[str], bool]:
    """The lines of one table, and whether its times name no zone."""
    rows = counted(source.rows, "row")
    lines = [f"{table.name}:", f"  file: {_plain(str(file))}  # {rows}", "  columns:"]
    width = max((len(_plain(name)) + len(ours) for name, ours in columns.items()), default=0)
    for theirs in source.types:
        ours = columns.get(theirs)
        example = _example(source, theirs)
        if ours is None:
            lines.append(f"    # {_plain(theirs)}: not read{example}")
        else:
            pair = f"{_plain(theirs)}: {ours}"
            lines.append(f"    {pair:{width + 2}}{example}")
    missing = [
        column.name
        for column in table.columns
        if column.required and column.name not in columns.values()
    ]
    lines += [
        f"    # THEIRS: {name}  # required: name the column that holds it" for name in missing
    ]
    lines += _words(source, columns, data)
    formats, zoneless = _times(source, columns)
    return [*lines, *formats], zoneless


def _words(source: Source, columns: dict[str, str], data: DataSettings) -> list[str]:
    known = {"item_type": data.item_types, "signal": data.signal_names}
    lines = []
    for theirs, ours in columns.items():
        if ours not in known:
            continue
        name = sql_name(theirs)
        counts = source.query(
            f"SELECT trim(CAST({name} AS VARCHAR)), count(*) FROM {source.name} "
            f"WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_WORDS}"
        )
        strange = [(str(word), int(count)) for word, count in counts if word not in known[ours]]
        if not strange:
            continue
        lines.append(f"    {_plain(theirs)}:")
        for word, count in strange:
            near, rows = meaning(word, known[ours]), counted(count, "row")
            if near:
                lines.append(f"      {_plain(word)}: {near}  # {rows}")
            else:
                choice = ", ".join(known[ours])
                lines.append(f"      # {_plain(word)}: {choice}, or null; {rows}")
    return ["  values:", *lines] if lines else []


def _times(source: Source, columns: dict[str, str]) -> tuple[list[str], bool]:
    """Formats of times that are not ISO 8601, and whether any time names no zone."""
    kinds = {column.name: column.kind for column in (*ITEMS.columns, *INTERACTIONS.columns)}
    lines: list[str] = []
    zoneless = False
    for theirs, ours in columns.items():
        if kinds.get(ours) is not MOMENT:
            continue
        name, kind = sql_name(theirs), source.types[theirs]
        read = moment(name, kind, None, None)
        sample = f"(SELECT * FROM {source.name} WHERE {name} IS NOT NULL LIMIT {_SAMPLE})"
        [(unread, without)] = source.query(
            f"SELECT count_if({read.sql} IS NULL), count_if({read.zoneless}) FROM {sample}"
        )
        zoneless |= bool(without)
        if unread:
            texts = source.query(
                f"SELECT DISTINCT CAST({name} AS VARCHAR) FROM {sample} WHERE {read.sql} IS NULL"
            )
            fits = fitting_formats(source.connection, [str(row[0]) for row in texts])
            zoneless = True
            if fits:
                other = f"  # or {to_json(fits[1])}: both fit" if len(fits) > 1 else ""
                lines.append(f"    {_plain(theirs)}: {to_json(fits[0])}{other}")
            else:
                lines.append(f"    # {_plain(theirs)}: how its times are written, as in strptime")
    return (["  formats:", *lines] if lines else []), zoneless


def _example(source: Source, theirs: str) -> str:
    try:
        rows = source.query(
            f"SELECT CAST({sql_name(theirs)} AS VARCHAR) FROM {source.name} "
            f"WHERE {sql_name(theirs)} IS NOT NULL LIMIT 1"
        )
    except duckdb.Error:
        return ""
    return f"  # e.g. {' '.join(str(rows[0][0]).split())[:40]}" if rows else "  # no value"


def _plain(text: str) -> str:
    """A text as YAML takes it: bare where that is sure, else quoted."""
    bare = "".join(character for character in text if character not in "_-./")
    words = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"}
    sure = bare.isascii() and bare.isalnum() and (text[0].isalpha() or text[0] == "/")
    return text if sure and text.casefold() not in words else to_json(text)
