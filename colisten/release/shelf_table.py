"""Shelves of many users as one parquet file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from colisten.data import parquet
from colisten.files import write_aside
from colisten.release.front import Shelf

SCHEMA = pa.schema(
    {
        "user_id": pa.string(),
        "rank": pa.int32(),
        "item_id": pa.string(),
        "title": pa.string(),
        "score": pa.float32(),
        "inner_product": pa.float32(),
        "release_id": pa.string(),
    }
)
_GROUP_ROWS = 100_000


@dataclass
class ShelfCounts:
    """What there is to say of shelves that were written.

    Attributes:
        users: All of them.
        rows: Items of all of them.
        unknown: Users of whom nothing is known: they have popular items.
        empty: Users without an item; they have no row.
    """

    users: int = 0
    rows: int = 0
    unknown: int = 0
    empty: int = 0


def write_shelves(shelves: Iterable[Shelf], file: Path, release_id: str) -> ShelfCounts:
    """Write a row per item in the columns of `SCHEMA`; the file appears whole or not at all.

    Raises:
        OSError: The folder cannot be made or is full.
    """
    counts = ShelfCounts()
    rows: list[tuple[object, ...]] = []
    with write_aside(file) as aside, parquet.writer(aside, SCHEMA) as writer:
        for shelf in shelves:
            counts.users += 1
            counts.rows += len(shelf.items)
            counts.unknown += not shelf.known
            counts.empty += not shelf.items
            rows += [
                (
                    shelf.user_id,
                    each.rank,
                    each.item_id,
                    each.title,
                    each.score,
                    each.inner_product,
                    release_id,
                )
                for each in shelf.items
            ]
            if len(rows) >= _GROUP_ROWS:
                writer.write_table(_table(rows))
                rows = []
        writer.write_table(_table(rows))
    return counts


def _table(rows: list[tuple[object, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    arrays = [pa.array(values, each.type) for values, each in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)
