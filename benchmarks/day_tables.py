"""Tables of a simulated world as they stood at the end of a day: a snapshot a day, each whole."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet

_KNOWN_FROM = {
    "items": "published_at",
    "music": "timestamp",
    "interactions": "timestamp",
    "links": "since",
}
"""By table, the column that says when a row came to be; every day has the others whole."""
_SEED = 0


def day_tables(world: Path, end: datetime, out: Path, *, slipped: bool = False) -> Path:
    """Write what was known before a moment.

    Args:
        world: Folder of a simulated world.
        end: The moment.
        out: A folder; made where it is not there.
        slipped: Users' ids stand beside events of others, as after a join that lost its order:
            every check of the tables passes, titles are as popular as ever, and nobody's events
            are their own.

    Returns:
        The folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(world.glob("*.parquet")):
        table = parquet.read(file)
        if column := _KNOWN_FROM.get(file.stem):
            before = pc.less(table[column], pa.scalar(end, table[column].type))
            table = table.filter(pc.fill_null(before, True))
        if slipped and file.stem == "interactions":
            users = table["user_id"].to_numpy(zero_copy_only=False)
            users = np.random.default_rng(_SEED).permutation(users)
            at = table.column_names.index("user_id")
            table = table.set_column(at, "user_id", pa.array(users, pa.string()))
        parquet.write(table, out / file.name)
    return out


def steady_users(folder: Path, count: int, least_events: int = 3) -> list[str]:
    """Users of whom a snapshot knows enough to answer by what they did.

    Args:
        folder: Of the snapshot.
        count: Of users, at most.
        least_events: That each of them has.
    """
    users = parquet.read(folder / "interactions.parquet", columns=["user_id"])["user_id"]
    counts = pc.value_counts(users.combine_chunks())
    often = counts.filter(pc.greater_equal(counts.field("counts"), least_events))
    return sorted(often.field("values").to_pylist())[:count]
