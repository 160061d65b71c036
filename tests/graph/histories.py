"""Histories small enough to check by hand or by a naive reference."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Event = tuple[str, str, str, datetime]


def write_history(
    folder: Path, audiobooks: list[str], podcasts: list[str], events: list[Event]
) -> Path:
    """Write `items.parquet` and `interactions.parquet` from (user, item, signal, moment)."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = sorted(audiobooks) + sorted(podcasts)
    types = ["audiobook"] * len(audiobooks) + ["podcast"] * len(podcasts)
    pq.write_table(
        pa.table(
            {"item_id": pa.array(ids, pa.string()), "item_type": pa.array(types, pa.string())}
        ),
        folder / "items.parquet",
    )
    type_of = dict(zip(ids, types, strict=True))
    events = sorted(events, key=lambda event: (event[3], event[0], event[1], event[2]))
    pq.write_table(
        pa.table(
            {
                "user_id": pa.array([event[0] for event in events], pa.string()),
                "item_id": pa.array([event[1] for event in events], pa.string()),
                "item_type": pa.array(
                    [type_of.get(event[1], "audiobook") for event in events], pa.string()
                ),
                "signal": pa.array([event[2] for event in events], pa.string()),
                "timestamp": pa.array([event[3] for event in events], pa.timestamp("us", tz="UTC")),
            }
        ),
        folder / "interactions.parquet",
    )
    return folder
