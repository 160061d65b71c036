"""Rows that events changed, from one key space into another.

Releases whose features are defined alike share a key space, and an event that one of them stored
is read by all. Where the definitions differ, the other space lacks what was stored since it was
filled; here it gets what both spaces can hold. Read as each store keeps it, written through Feast.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any, TypeVar

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from colisten.data.moments import newest, utc
from colisten.errors import FeatureError
from colisten.extras import needs
from colisten.feature_repo.carry_over import PATIENCE_SECONDS, stored_moment
from colisten.features.lightfeast import (
    EntityKey,
    FeatureStore,
    FeatureView,
    Value,
    deserialize_entity_key,
)
from colisten.features.names import HISTORY_LENGTH_TAG, TYPE_TAG
from colisten.features.repository import RepositoryFiles, key_space_of, online_file
from colisten.logs import logger

T = TypeVar("T")
Row = tuple[bytes, dict[str, Value], datetime]
"""A serialized entity key, the features, and their moment."""

_ROWS = 500
_SHORTER = frozenset(("string_list_val", "int64_list_val"))
log = logger("feature_repo")


def other_space(before: RepositoryFiles | None, store: FeatureStore) -> FeatureStore | None:
    """A store over another key space than that of `store`; None where it is the same or no store.

    What cannot be opened is logged: what is damaged must not keep its successor from being made.
    """
    try:
        other = None if before is None else before.open()
    except FeatureError as error:
        log.warning("nothing carried from the other key space", error=str(error))
        return None
    return None if other is None or key_space_of(other) == key_space_of(store) else other


def carry_across(old: FeatureStore, store: FeatureStore, since: datetime) -> int:
    """Copy rows of moments from `since` on that are not older than those in `store`.

    Of views whose columns and signals are the same in both; histories are cut to the length that
    `store` keeps. What cannot be read is logged and stays behind.

    Args:
        old: Whose key space holds them.
        store: Whose key space gets them.
        since: Moment with a zone: what was filled in ends there.

    Returns:
        How many rows that were.
    """
    rows = 0
    try:
        theirs = {view.name: view for view in old.list_feature_views(allow_cache=True)}
        for view in store.list_feature_views(allow_cache=True):
            other = theirs.get(view.name)
            if view.online and other is not None and _alike(view, other):
                for some in _portions(_changed(old, other, since)):
                    rows += _write(store, view, some)
    except (sqlite3.DatabaseError, DecodeError) as error:
        log.warning("nothing more carried from the other key space", error=str(error))
    log.info("carried from the other key space", rows=rows)
    return rows


def _alike(view: FeatureView, other: FeatureView) -> bool:
    """Whether a row of one may stand in the other."""
    described = [
        (
            {field.name: field.dtype for field in one.features},
            {name: value for name, value in one.tags.items() if name != HISTORY_LENGTH_TAG},
        )
        for one in (view, other)
    ]
    return described[0] == described[1]


def _changed(store: FeatureStore, view: FeatureView, since: datetime) -> Iterator[Row]:
    reader = _of_redis if online_file(store) is None else _of_sqlite
    return reader(store, view, since)


def _of_sqlite(store: FeatureStore, view: FeatureView, since: datetime) -> Iterator[Row]:
    file = online_file(store)
    if file is None or not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=PATIENCE_SECONDS)) as connection:
        table = '"{}"'.format(f"{store.project}_{view.name}".replace('"', '""'))
        cells = connection.execute(
            f"SELECT entity_key, feature_name, value, event_ts FROM {table} "
            "WHERE typeof(event_ts) = 'integer' AND event_ts BETWEEN ? AND ? ORDER BY entity_key",
            (stored_moment(since), stored_moment(newest())),
        )
        for key, group in groupby(cells, key=lambda cell: cell[0]):
            stored = list(group)
            row = {name: _parsed(value) for _, name, value, _ in stored}
            # The inverse of `stored_moment`.
            yield key, row, datetime.fromtimestamp(stored[0][3]).replace(tzinfo=UTC)


def _of_redis(store: FeatureStore, view: FeatureView, since: datetime) -> Iterator[Row]:
    needs("redis")
    online, project = store.provider.online_store, store.project.encode()
    client = online._get_client(store.config.online_store)
    features = [feature.name for feature in view.features]
    fields = online._generate_hset_keys_for_features(view, list(features))[1]
    first, last = utc(since), newest()
    # Under a key of another type lies no row: who writes just now, for one.
    keys = client.scan_iter(b"*" + project, count=_ROWS, _type="hash")
    for some in _portions(keys):
        for key, values in zip(some, _hashes(client, some, fields), strict=True):
            *cells, stamp = values
            if stamp is None:
                continue
            moment = Timestamp.FromString(stamp).ToDatetime(tzinfo=UTC)
            if first <= moment <= last:
                row = {
                    name: _parsed(cell)
                    for name, cell in zip(features, cells, strict=False)
                    if cell is not None
                }
                yield key.removesuffix(project), row, moment


def _hashes(client: Any, keys: Any, fields: list[Any]) -> list[list[bytes | None]]:
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hmget(key, fields)
        found: list[list[bytes | None]] = pipe.execute()
    return found


def _write(store: FeatureStore, view: FeatureView, rows: list[Row]) -> int:
    version = store.config.entity_key_serialization_version
    keys: list[EntityKey] = [deserialize_entity_key(key, version) for key, _, _ in rows]
    features = [feature.name for feature in view.features]
    held = store.provider.online_read(store.config, view, list(keys), features)
    length = int(view.tags.get(HISTORY_LENGTH_TAG, 0)) if TYPE_TAG in view.tags else None
    fresh = [
        (key, _shortened(row, length), moment, None)
        for key, (_, row, moment), (own, _) in zip(keys, rows, held, strict=True)
        if own is None or own <= moment
    ]
    if fresh:
        store.provider.online_write_batch(store.config, view, fresh, None)
    return len(fresh)


def _shortened(row: dict[str, Value], length: int | None) -> dict[str, Value]:
    """The newest entries of a history, which is in the order of time."""
    if length is None:
        return row
    for value in row.values():
        if (kind := value.WhichOneof("val")) in _SHORTER:
            entries = getattr(value, kind).val
            del entries[: max(0, len(entries) - length)]
    return row


def _portions(rows: Iterable[T]) -> Iterator[list[T]]:
    rows = iter(rows)
    while some := list(islice(rows, _ROWS)):
        yield some


def _parsed(cell: bytes) -> Value:
    value = Value()
    value.ParseFromString(cell)
    return value
