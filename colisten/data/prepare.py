"""From checked input tables to the two folders that everything else reads: history and holdout.

`history/` holds what was known at the cut, and nothing in it depends on any event at or after
the cut: not a row, not an order, not a byte. `holdout/` holds the events of the window that
begins at the cut, for measuring only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from colisten.data import parquet
from colisten.data.canonical import canonical_country, canonical_language
from colisten.data.checks import check_tables
from colisten.data.contract import (
    EXPOSURES,
    INTERACTIONS,
    ITEMS,
    LINKS,
    MOMENT,
    MUSIC,
    POPULARITY,
    TEXT,
    TEXT_VECTORS,
    TEXTS,
    USERS,
    VECTOR,
    Table,
    tables_of,
)
from colisten.data.moments import sql_moment, utc, window_end
from colisten.data.outlook import Outlook, anybody_measured, shortages, target_starts
from colisten.data.own_parts import popularity_query, vectors_query
from colisten.data.sql import WHITE_SPACE, is_blank, sql_name, sql_text
from colisten.data.summary import TableSummary
from colisten.data.views import TableViews, open_views, reading
from colisten.data.violations import ItemTypeMissing, NobodyMeasured, NobodyStarted, NoHistory
from colisten.errors import TableError
from colisten.files import file_digest, write_aside
from colisten.logs import logger
from colisten.progress import track
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine

log = logger("data.prepare")

_ROW_GROUP = 131_072


@dataclass(frozen=True)
class _Part:
    """One file to write: an ordered query over the views."""

    folder: str
    table: Table
    query: str


def prepare_tables(
    source: Path,
    out: Path,
    *,
    cut: datetime,
    window_days: int,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> TableSummary:
    """Check the tables of `source`, then write `out/history` and `out/holdout`.

    An item is in the history if it was published before the cut, has no publishing date, or was
    listened to or shown before the cut. Users are those of the users table and of any event or
    music vector before the cut. Text is trimmed and blank text becomes null; languages and
    countries are in one writing (`colisten.data.languages`, `.countries`); a missing or empty
    genre list becomes an empty list; exact duplicates of events are dropped. A link is in the
    history if it was known before the cut and both of its items are there. `exposures.parquet` and
    `links.parquet` are written only where there are any; the other files always are. Types and
    orders are those of docs/architecture.md; equal inputs give equal bytes.

    Args:
        source: Folder of contract tables.
        out: Folder to write; replaced as a whole, and left as it was on any error.
        cut: Moment with a zone; history is strictly before it.
        window_days: Days from the cut on that `holdout/` covers.
        data: Types and signals that there are, and declared columns.
        engine: Bounds of DuckDB.

    Raises:
        Violation, TableViolations: As `check_tables`; also `NoHistory` where no interaction lies
            before the cut and `ItemTypeMissing` where no item of a type is available at it.
        TableError: The cut has no zone.
        ConfigError: The window is empty, or ends after the calendar.
    """
    if cut.tzinfo is None:
        raise TableError(f"The cut {cut} has no time zone.", "Pass a UTC datetime.")
    end = window_end(cut, window_days)
    check_tables(source, data=data, engine=engine)
    with open_views(source, data, engine) as (views, violations):
        if violations:  # The files changed since they were checked.
            raise violations[0]
        items = _check_cut(views, cut)
        with write_aside(out) as aside:
            rows = {}
            parts = list(_parts(views, cut, end))
            for part in track(parts, "Writing tables"):
                file = aside / part.folder / part.table.file_name
                file.parent.mkdir(parents=True, exist_ok=True)
                rows[f"{part.folder}/{part.table.file_name}"] = _write(views, part, file)
            summary = _summary(views, aside / "history", cut, rows, items)
            summary.write(aside / "history")
    log.info("tables prepared", out=str(out), cut=summary.cut, digest=summary.digest, **rows)
    return summary


def check_cut(
    source: Path,
    *,
    cut: datetime,
    window_days: int,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
    only_measures: bool = False,
) -> None:
    """Refuse a cut that leaves nothing to learn from; writes nothing.

    Args:
        source: Folder of tables that `check_tables` accepted.
        cut: UTC moment.
        window_days: Days from the cut on that measure.
        data: As `prepare_tables`.
        engine: As `prepare_tables`.
        only_measures: Whether nothing is wanted but figures after the cut.

    Raises:
        NoHistory: No interaction lies before the cut.
        ItemTypeMissing: No item of a type is available at it.
        NobodyStarted: No item of the recommended type is started before it.
        NobodyMeasured: Figures alone are wanted, and nobody can be measured in the window.
        ConfigError: The window is empty, or ends after the calendar.
    """
    with open_outlook(source, cut, window_days, data, engine) as (views, outlook):
        if only_measures and not anybody_measured(views, outlook):
            detail = (
                f"no user with events before the cut {cut} starts another {outlook.target_type} "
                f"in the {window_days} days after it"
            )
            raise NobodyMeasured("interactions", "timestamp", detail=detail)


def cut_notices(
    source: Path,
    *,
    cut: datetime,
    window_days: int,
    k: int,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> tuple[str, ...]:
    """What a cut leaves too little of to say much, a sentence each; none is an error.

    Args:
        source: Folder of tables that `check_tables` accepted.
        cut: UTC moment.
        window_days: Days from the cut on that measure.
        k: Length of the lists that are measured.
        data: As `prepare_tables`.
        engine: As `prepare_tables`.

    Raises:
        Violation, ConfigError: As `check_cut`.
    """
    with open_outlook(source, cut, window_days, data, engine) as (views, outlook):
        return shortages(views, outlook, k)


@contextmanager
def open_outlook(
    source: Path, cut: datetime, window_days: int, data: DataSettings, engine: Engine
) -> Iterator[tuple[TableViews, Outlook]]:
    """Views of checked tables, and what a cut leaves of them; raises as `check_cut` does."""
    until = window_end(cut, window_days)
    with open_views(source, data, engine) as (views, violations):
        if violations:  # The files changed since they were checked.
            raise violations[0]
        items = _check_cut(views, cut)
        target = data.target_type
        starts = target_starts(views, cut)
        if not starts:
            detail = f"nobody starts any {target} before the cut {cut}"
            raise NobodyStarted("interactions", "signal", detail=detail)
        yield views, Outlook(cut, until, data, items[target], starts)


def _check_cut(views: TableViews, cut: datetime) -> dict[str, int]:
    [(before, first, last)] = views.query(
        f"SELECT count_if(timestamp < {sql_moment(cut)}), min(timestamp)::VARCHAR, "
        "max(timestamp)::VARCHAR FROM interactions",
        "interactions",
    )
    if not before:
        detail = f"no interaction lies before the cut {cut}; they reach from {first} to {last}"
        raise NoHistory("interactions", "timestamp", detail=detail)
    counts = views.query(
        f"SELECT item_type, count(*) FROM items WHERE {_available(views, cut)} GROUP BY 1", "items"
    )
    items = {str(kind): int(count) for kind, count in counts}
    for kind in views.data.item_types:
        if kind not in items:
            detail = f"no {kind} is published before the cut {cut} or has an event before it"
            raise ItemTypeMissing("items", "published_at", detail=detail)
    return items


def _parts(views: TableViews, cut: datetime, end: datetime) -> Iterator[_Part]:
    before = f"timestamp < {sql_moment(cut)}"
    window = f"timestamp >= {sql_moment(cut)} AND timestamp < {sql_moment(end)}"
    tables = {table.name: table for table in tables_of(views.data)}
    # Vectors of a column become a file, as those of a table do.
    own = tuple(column for column in tables[ITEMS.name].columns if column.kind is not VECTOR)
    items = replace(tables[ITEMS.name], columns=own)
    yield _Part("history", items, _items(views, cut, items))
    yield _Part("history", tables[USERS.name], _users(views, before))
    yield _Part("history", MUSIC, _music(views, before))
    known = _links(views, cut)
    if _count(views, LINKS, known):
        columns = f"item_id, other_id, relation, {_within_calendar('since')}"
        yield _Part(
            "history",
            LINKS,
            f"SELECT {columns} FROM links WHERE {known} ORDER BY relation, item_id, other_id",
        )
    available = _available(views, cut)
    for table, query in (
        (TEXT_VECTORS, vectors_query(views, available)),
        (POPULARITY, popularity_query(views, cut, available)),
    ):
        if query is not None:
            yield _Part("history", table, query)
    for folder, condition in (("history", before), ("holdout", window)):
        yield _Part(
            folder,
            INTERACTIONS,
            "SELECT DISTINCT user_id, item_id, item_type, signal, timestamp FROM interactions "
            f"WHERE {condition} ORDER BY timestamp, user_id, item_id, signal",
        )
        if _count(views, EXPOSURES, condition):
            columns = ", ".join(EXPOSURES.schema.names)
            yield _Part(
                folder,
                EXPOSURES,
                f"SELECT DISTINCT {columns} FROM exposures WHERE {condition} "
                "ORDER BY timestamp, request_id, position, item_id, user_id, variant, "
                "release_id, surface",
            )


def _count(views: TableViews, table: Table, condition: str) -> int:
    if table.name not in views.rows:
        return 0
    [(rows,)] = views.query(f"SELECT count(*) FROM {table.name} WHERE {condition}", table.name)
    return int(rows)


def _available(views: TableViews, cut: datetime) -> str:
    moment = sql_moment(cut)
    seen = " OR ".join(
        f"item_id IN (SELECT item_id FROM {table.name} WHERE timestamp < {moment})"
        for table in (INTERACTIONS, EXPOSURES)
        if table.name in views.rows
    )
    return f"(published_at IS NULL OR published_at < {moment} OR {seen})"


def _links(views: TableViews, cut: datetime) -> str:
    items = f"(SELECT item_id FROM items WHERE {_available(views, cut)})"
    return (
        f"(since IS NULL OR since < {sql_moment(cut)}) "
        f"AND item_id IN {items} AND other_id IN {items}"
    )


def _items(views: TableViews, cut: datetime, items: Table) -> str:
    columns = ["item_id", "item_type", _trimmed("title"), _trimmed("description")]
    columns += [f"{canonical_language(views).value} AS language", _texts("genres")]
    columns.append(_within_calendar("published_at"))
    written = {TEXT: _trimmed, TEXTS: _texts, MOMENT: _within_calendar}
    for column in items.columns[len(columns) :]:
        columns.append(written.get(column.kind, str)(sql_name(column.name)))
    return (
        f"SELECT {', '.join(columns)} FROM items "
        f"WHERE {_available(views, cut)} ORDER BY item_type, item_id"
    )


def _users(views: TableViews, before: str) -> str:
    known = [
        f"SELECT user_id FROM {table.name} WHERE {before}"
        for table in (INTERACTIONS, MUSIC, EXPOSURES)
        if table.name in views.rows
    ]
    texts = [sql_name(name) for name in views.data.user_categories]
    numbers = [sql_name(name) for name in views.data.user_numbers]
    if USERS.name not in views.rows:
        strangers = " UNION ".join(known)
        further = [f"NULL::VARCHAR AS {name}" for name in texts]
        further += [f"NULL::FLOAT AS {name}" for name in numbers]
        columns = ["NULL::VARCHAR AS country", "NULL::FLOAT AS age", *further]
        return f"SELECT DISTINCT user_id, {', '.join(columns)} FROM ({strangers}) ORDER BY user_id"
    everyone = " UNION ".join(["SELECT user_id FROM users", *known])
    further = [_trimmed(name) for name in texts]
    further += [f"{name}::FLOAT AS {name}" for name in numbers]
    columns = [f"{canonical_country(views).value} AS country", "age::FLOAT AS age", *further]
    joined = f"({everyone}) LEFT JOIN users USING (user_id)"
    return f"SELECT user_id, {', '.join(columns)} FROM {joined} ORDER BY user_id"


def _music(views: TableViews, before: str) -> str:
    if MUSIC.name not in views.rows:
        return (
            "SELECT NULL::VARCHAR AS user_id, NULL::FLOAT[] AS music_vector, "
            "NULL::TIMESTAMPTZ AS timestamp WHERE false"
        )
    # Vectors of one user and moment are equal by the check, so any of them will do.
    return (
        "SELECT user_id, any_value(music_vector)::FLOAT[] AS music_vector, timestamp "
        f"FROM music WHERE {before} GROUP BY user_id, timestamp ORDER BY user_id, timestamp"
    )


def _trimmed(column: str) -> str:
    text = f"trim({column}, {sql_text(WHITE_SPACE)})"
    return f"CASE WHEN {is_blank(column)} THEN NULL ELSE {text} END AS {column}"


def _within_calendar(column: str) -> str:
    # Feast and Python end where their calendar ends; a date beyond stays as far ahead or back.
    first, last = (sql_moment(end.replace(tzinfo=UTC)) for end in (datetime.min, datetime.max))
    return (
        f"CASE WHEN {column} IS NOT NULL THEN least(greatest({column}, {first}), {last}) END "
        f"AS {column}"
    )


def _texts(column: str) -> str:
    white = sql_text(WHITE_SPACE)
    trimmed = f"list_transform(coalesce({column}, []), lambda x: trim(x, {white}))"
    return f"list_filter({trimmed}, lambda x: x IS NOT NULL AND x <> '') AS {column}"


def _write(views: TableViews, part: _Part, file: Path) -> int:
    # Arrow writes, not DuckDB: row groups of one size make the bytes a function of the rows.
    schema = part.table.schema
    rows = 0
    with (
        reading(part.table.name),
        parquet.writer(file, schema, compression="zstd") as writer,
    ):
        reader = views.connection.sql(part.query).to_arrow_reader(_ROW_GROUP)
        for group in _row_groups(reader, schema):
            writer.write_table(group, row_group_size=_ROW_GROUP)
            rows += group.num_rows
    return rows


def _row_groups(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    held = 0
    for batch in reader:
        waiting.append(pa.Table.from_batches([batch]).cast(schema))
        held += batch.num_rows
        while held >= _ROW_GROUP:
            table = pa.concat_tables(waiting)
            yield table.slice(0, _ROW_GROUP).combine_chunks()
            waiting = [table.slice(_ROW_GROUP)]
            held -= _ROW_GROUP
    if held:
        yield pa.concat_tables(waiting).combine_chunks()


def _summary(
    views: TableViews, history: Path, cut: datetime, rows: dict[str, int], items: dict[str, int]
) -> TableSummary:
    before = _count(views, INTERACTIONS, f"timestamp < {sql_moment(cut)}")
    files = sorted(history.glob("*.parquet"))
    counts = {file.name: rows[f"history/{file.name}"] for file in files}
    return TableSummary(
        cut=utc(cut).isoformat(),
        rows=counts,
        items={kind: items[kind] for kind in views.data.item_types},
        duplicates=before - counts[INTERACTIONS.file_name],
        digests={file.name: file_digest(file) for file in files},
    )
