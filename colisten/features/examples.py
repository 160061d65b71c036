"""What the towers learn from: the first time each user streamed each target item."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from colisten.data import parquet
from colisten.data.moments import utc
from colisten.errors import FeatureError
from colisten.interrupts import interruptible
from colisten.sections import ITEM_TYPES
from colisten.words import known_word


def first_streams(history: Path, *, as_of: datetime, target_type: str) -> pa.Table:
    """First streams of target items strictly before `as_of`.

    Args:
        history: Folder of checked tables.
        as_of: Moment with a zone; streams at or after it are not seen.
        target_type: Item type that is recommended.

    Returns:
        Columns user_id, item_id, timestamp (microseconds, UTC), sorted by timestamp, user_id
        and item_id.

    Raises:
        FeatureError: `as_of` has no time zone.
        ConfigError: There is no such item type.
    """
    known_word("Item type", target_type, ITEM_TYPES)
    if as_of.tzinfo is None:
        raise FeatureError(f"The moment {as_of} has no time zone.", "Pass a UTC datetime.")
    with interruptible(duckdb.connect()) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.sql(
            f"""
            SELECT user_id, item_id, min(timestamp) AS timestamp
            FROM {parquet.scan(history / "interactions.parquet")}
            WHERE timestamp < ? AND item_type = ? AND signal = 'stream'
            GROUP BY user_id, item_id
            ORDER BY timestamp, user_id, item_id
            """,
            params=[utc(as_of), target_type],
        ).to_arrow_table()
    stamp = pa.timestamp("us", tz="UTC")
    return rows.set_column(2, "timestamp", rows.column("timestamp").cast(stamp))
