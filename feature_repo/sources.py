"""The offline sources: one parquet file a view, with nothing at or after the moment asked for.

Files are sorted by entity and time, so that a reader who asks for some users skips the rest, and
equal tables give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.duckdb_connection import ibis_backend
from colisten.data.moments import utc
from colisten.data.spark import spark_backend
from colisten.errors import FeatureError
from colisten.features.history import history_rows
from colisten.features.names import (
    EVENT_IDS,
    ITEM_METADATA,
    ITEM_TEXT,
    TIMESTAMP,
    USER_EVENT_IDS,
    USER_MUSIC,
    USER_PROFILE,
    history_columns,
    history_view,
    profile_column,
    seen_column,
    seen_view,
)
from colisten.features.seen import id_hashes
from colisten.files import write_aside
from colisten.progress import track
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import FeatureSettings

MOMENT = pa.timestamp("us", tz="UTC")
ALWAYS = datetime(1970, 1, 2, tzinfo=UTC)
"""Time of facts that the tables give without one: before any event, so that every training row
sees them. Not 1970-01-01: Redis would store that as no time at all."""

_BLOCK_ENTRIES = 4_000_000
_SEEN_USERS = 50_000
_STRINGS = pa.list_(pa.string())

ITEM_SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("item_type", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("language", pa.string()),
        ("genres", _STRINGS),
        ("published_at", MOMENT),
        (TIMESTAMP, MOMENT),
    ]
)
TEXT_SCHEMA = pa.schema(
    [("item_id", pa.string()), ("text_vector", pa.list_(pa.float32())), (TIMESTAMP, MOMENT)]
)
MUSIC_SCHEMA = pa.schema(
    [("user_id", pa.string()), ("music_vector", pa.list_(pa.float32())), (TIMESTAMP, MOMENT)]
)


def profile_schema(data: DataSettings) -> pa.Schema:
    """Columns of the profile source."""
    arrow = {"category": pa.string(), "number": pa.float32()}
    further = [(profile_column(name), arrow[kind]) for name, kind in data.user_features.items()]
    known = [("user_id", pa.string()), ("country", pa.string()), ("age", pa.float32())]
    return pa.schema([*known, *further, (TIMESTAMP, MOMENT)])


def history_schema(item_type: str) -> pa.Schema:
    """Columns of one item type's history source."""
    ids, signals, times = history_columns(item_type)
    return pa.schema(
        [
            ("user_id", pa.string()),
            (TIMESTAMP, MOMENT),
            (ids, _STRINGS),
            (signals, _STRINGS),
            (times, pa.list_(pa.int64())),
        ]
    )


def seen_schema(item_type: str) -> pa.Schema:
    """Columns of the source of what users ever started of one item type."""
    return pa.schema(
        [("user_id", pa.string()), (TIMESTAMP, MOMENT), (seen_column(item_type), pa.binary())]
    )


EVENT_IDS_SCHEMA = pa.schema(
    [("user_id", pa.string()), (TIMESTAMP, MOMENT), (EVENT_IDS, pa.binary())]
)
"""Columns of a source without a row: the ids of events come with the events."""


def write_sources(
    history: Path,
    sources: Path,
    *,
    as_of: datetime,
    text_vectors: np.ndarray | None,
    data: DataSettings = DataSettings(),
    features: FeatureSettings = FeatureSettings(),
    engine: Engine = Engine(),
) -> int:
    """Write every view's source into the folder `sources`, replacing it whole.

    Args:
        history: Folder of checked tables; users.parquet and music.parquet may be missing.
        sources: Folder to write.
        as_of: Moment with a zone; events and music vectors at or after it are left out.
        text_vectors: float32 [num_items, dim] in catalogue order; None leaves the view empty.
        data: Item types and declared columns of the tables.
        features: How much of a history is stored.
        engine: Bounds of DuckDB.

    Returns:
        Length of a music vector, 0 where there is none.

    Raises:
        FeatureError: A table is missing or does not fit.
    """
    if as_of.tzinfo is None:
        raise FeatureError(f"The moment {as_of} has no time zone.", "Pass a UTC datetime.")
    items = _read(history, "items")
    if items is None:
        raise FeatureError(f"No items at {history / 'items.parquet'}.")
    if text_vectors is not None and len(text_vectors) != len(items):
        raise FeatureError(
            f"{len(text_vectors)} text vectors for {len(items)} items.",
            "Compute them for the catalogue of the same history folder.",
        )
    music = _music(history, as_of)
    music_dim = _music_dim(music)
    with write_aside(sources) as aside:
        aside.mkdir()
        _write(aside / f"{ITEM_METADATA}.parquet", _always(items), ITEM_SCHEMA)
        _write(aside / f"{ITEM_TEXT}.parquet", _texts(items, text_vectors), TEXT_SCHEMA)
        _write(aside / f"{USER_PROFILE}.parquet", *_profiles(history, data))
        _write(aside / f"{USER_MUSIC}.parquet", music, MUSIC_SCHEMA)
        for item_type in data.item_types:
            file = aside / f"{history_view(item_type)}.parquet"
            length = features.history_length
            _write_history(
                history, file, item_type=item_type, as_of=as_of, length=length, engine=engine
            )
        _write_seen(history, aside, as_of=as_of, data=data, engine=engine)
        _write(
            aside / f"{USER_EVENT_IDS}.parquet", EVENT_IDS_SCHEMA.empty_table(), EVENT_IDS_SCHEMA
        )
    return music_dim


def _read(history: Path, name: str) -> pa.Table | None:
    file = history / f"{name}.parquet"
    return parquet.read(file) if file.exists() else None


def _always(table: pa.Table) -> pa.Table:
    times = pa.array([ALWAYS] * len(table), MOMENT)
    return table.append_column(TIMESTAMP, times)


def _texts(items: pa.Table, vectors: np.ndarray | None) -> pa.Table:
    if vectors is None:
        return TEXT_SCHEMA.empty_table()
    rows, dim = vectors.shape
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(rows + 1) * dim, pa.int32()),
        pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel()),
    )
    return _always(pa.table({"item_id": items.column("item_id"), "text_vector": lists}))


def _profiles(history: Path, data: DataSettings) -> tuple[pa.Table, pa.Schema]:
    users, schema = _read(history, "users"), profile_schema(data)
    if users is None:
        return schema.empty_table(), schema
    names = {name: profile_column(name) for name in data.user_features}
    named = users.rename_columns([names.get(name, name) for name in users.column_names])
    return _always(named.sort_by("user_id")), schema


def _music(history: Path, as_of: datetime) -> pa.Table:
    music = _read(history, "music")
    if music is None:
        return MUSIC_SCHEMA.empty_table()
    earlier = music.filter(pc.field("timestamp") < pa.scalar(utc(as_of), MOMENT))
    named = earlier.rename_columns(
        [TIMESTAMP if name == "timestamp" else name for name in earlier.column_names]
    )
    return named.sort_by([("user_id", "ascending"), (TIMESTAMP, "ascending")])


def _music_dim(music: pa.Table) -> int:
    lengths = pc.unique(pc.list_value_length(music.column("music_vector"))).drop_null()
    if len(lengths) > 1:
        raise FeatureError(
            f"Music vectors have the lengths {sorted(lengths.to_pylist())}.",
            "Give vectors of one model, all of one length.",
        )
    return int(lengths[0].as_py()) if len(lengths) else 0


def _write(file: Path, table: pa.Table, schema: pa.Schema) -> None:
    parquet.write(table.select(schema.names).cast(schema), file, compression="zstd")


def _write_history(
    history: Path, file: Path, *, item_type: str, as_of: datetime, length: int, engine: Engine
) -> None:
    """One item type's history rows, a block of users at a time so that memory stays bounded."""
    schema = history_schema(item_type)
    interactions = history / "interactions.parquet"
    if not interactions.exists():
        raise FeatureError(f"No interactions at {interactions}.")
    with _counting(engine) as base:
        events = parquet.table(base, interactions)
        before = ibis.literal(utc(as_of), type="timestamp('UTC')")
        own = events.filter(events.timestamp < before, events.item_type == item_type)
        if base.name == "duckdb":
            own = base.create_table("own", own.order_by("user_id", "timestamp"), temp=True)
        blocks = list(_user_blocks(own, length))
        with parquet.writer(file, schema, compression="zstd") as writer:
            for first, last in track(blocks, f"{item_type} histories"):
                block = own.filter(own.user_id.between(first, last))
                rows = history_rows(block, item_type=item_type, history_length=length)
                table = rows.order_by("user_id", TIMESTAMP).to_pyarrow()
                # In one piece, whatever pieces an engine gives, so that equal rows are equal bytes.
                whole = table.rename_columns(schema.names).cast(schema).combine_chunks()
                writer.write_table(whole)


@contextmanager
def _counting(engine: Engine) -> Iterator[Any]:
    """The backend of Ibis that histories are cut by: Spark where the step runs on one."""
    if (spark := spark_backend()) is not None:
        yield spark
        return
    base = ibis_backend(**engine.model_dump())
    try:
        base.raw_sql("SET TimeZone = 'UTC'")
        yield base
    finally:
        base.disconnect()


def _write_seen(
    history: Path, folder: Path, *, as_of: datetime, data: DataSettings, engine: Engine
) -> None:
    """One row a user with all that they had started by `as_of`, of the moment of their last start.

    Earlier states are not kept: nothing but the shelf of today reads it.
    """
    schema = seen_schema(data.target_type)
    base = ibis_backend(**engine.model_dump())
    try:
        base.raw_sql("SET TimeZone = 'UTC'")
        events = parquet.table(base, history / "interactions.parquet")
        starts = events.filter(
            events.timestamp < ibis.literal(utc(as_of), type="timestamp('UTC')"),
            events.item_type == data.target_type,
            events.signal.isin(data.start_signals),
        )
        rows = starts.group_by("user_id").aggregate(
            last=starts.timestamp.max(), items=starts.item_id.collect(distinct=True)
        )
        file = folder / f"{seen_view(data.target_type)}.parquet"
        with parquet.writer(file, schema, compression="zstd") as writer:
            query = base.compile(rows.order_by("user_id"))
            for batch in base.con.sql(query).to_arrow_reader(_SEEN_USERS):
                columns = [batch.column("user_id"), batch.column("last"), _hashed(batch)]
                table = pa.table(columns, names=schema.names)
                writer.write_table(table.cast(schema))
    finally:
        base.disconnect()


def _hashed(batch: pa.RecordBatch) -> pa.Array:
    """The sorted hashes of each user's items, as binary."""
    lists = batch.column("items")
    counts = lists.value_lengths().to_numpy(zero_copy_only=False)
    coded = lists.flatten().dictionary_encode()
    hashes = id_hashes(coded.dictionary.to_pylist())[coded.indices.to_numpy()]
    order = np.lexsort((hashes, np.repeat(np.arange(len(counts)), counts)))
    ends = np.cumsum(counts) * hashes.itemsize
    offsets = pa.py_buffer(np.append(0, ends).astype(np.int32).tobytes())
    data = pa.py_buffer(hashes[order].tobytes())
    return pa.Array.from_buffers(pa.binary(), len(counts), [None, offsets, data])


def _user_blocks(own: Any, length: int) -> Iterator[tuple[str, str]]:
    """First and last user of blocks that make up to `_BLOCK_ENTRIES` list entries each."""
    counts = own.group_by("user_id").aggregate(events=own.count()).order_by("user_id").to_pyarrow()
    if not len(counts):
        return
    events = counts.column("events").to_numpy()
    entries = np.cumsum(events * np.minimum(events, length))
    block = entries // _BLOCK_ENTRIES
    starts = np.flatnonzero(np.concatenate([[True], block[1:] != block[:-1]]))
    stops = np.concatenate([starts[1:], [len(block)]]) - 1
    users = counts.column("user_id")
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        yield users[start].as_py(), users[stop].as_py()
