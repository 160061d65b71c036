"""Histories small enough to check by hand or by a naive reference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Event = tuple[str, str, str, datetime]
Link = tuple[str, str, str, datetime | None]
MOMENT = pa.timestamp("us", tz="UTC")


def write_history(
    folder: Path, audiobooks: list[str], podcasts: list[str], events: list[Event]
) -> Path:
    """Write `items.parquet` and `interactions.parquet` from (user, item, signal, moment)."""
    return write_tables(folder, {"audiobook": audiobooks, "podcast": podcasts}, events)


def write_tables(
    folder: Path,
    items: dict[str, list[str]],
    events: list[Event],
    links: Sequence[Link] = (),
    published: dict[str, datetime] | None = None,
) -> Path:
    """The same of any item types, with links (item, other, relation, since) where there are any."""
    folder.mkdir(parents=True, exist_ok=True)
    type_of = {item: kind for kind in sorted(items) for item in sorted(items[kind])}
    _write(
        folder / "items.parquet",
        item_id=pa.array(list(type_of), pa.string()),
        item_type=pa.array(list(type_of.values()), pa.string()),
        published_at=pa.array([(published or {}).get(item) for item in type_of], MOMENT),
    )
    events = sorted(events, key=lambda event: (event[3], event[0], event[1], event[2]))
    first = next(iter(items))
    _write(
        folder / "interactions.parquet",
        user_id=pa.array([event[0] for event in events], pa.string()),
        item_id=pa.array([event[1] for event in events], pa.string()),
        item_type=pa.array([type_of.get(event[1], first) for event in events], pa.string()),
        signal=pa.array([event[2] for event in events], pa.string()),
        timestamp=pa.array([event[3] for event in events], MOMENT),
    )
    if links:
        _write(
            folder / "links.parquet",
            item_id=pa.array([link[0] for link in links], pa.string()),
            other_id=pa.array([link[1] for link in links], pa.string()),
            relation=pa.array([link[2] for link in links], pa.string()),
            since=pa.array([link[3] for link in links], MOMENT),
        )
    return folder


def _write(file: Path, **columns: pa.Array) -> None:
    pq.write_table(pa.table(columns), file)
