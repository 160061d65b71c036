"""What the towers learn from: the first time each user started each target item."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from colisten.data import parquet
from colisten.data.duckdb_connection import connect
from colisten.data.moments import utc
from colisten.errors import FeatureError
from colisten.settings.data import DataSettings


def first_starts(history: Path, *, as_of: datetime, data: DataSettings) -> pa.Table:
    """First starts of target items strictly before `as_of`.

    Args:
        history: Folder of checked tables.
        as_of: Moment with a zone; starts at or after it are not seen.
        data: Which items are recommended, and which signals count as a start.

    Returns:
        Columns user_id, item_id, timestamp (microseconds, UTC), sorted by timestamp, user_id
        and item_id.

    Raises:
        FeatureError: `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise FeatureError(f"The moment {as_of} has no time zone.", "Pass a UTC datetime.")
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.sql(
            f"""
            SELECT user_id, item_id, min(timestamp) AS timestamp
            FROM {parquet.scan(history / "interactions.parquet")}
            WHERE timestamp < ? AND item_type = ? AND list_contains(?, signal)
            GROUP BY user_id, item_id
            ORDER BY timestamp, user_id, item_id
            """,
            params=[utc(as_of), data.target_type, list(data.start_signals)],
        ).to_arrow_table()
    stamp = pa.timestamp("us", tz="UTC")
    return rows.set_column(2, "timestamp", rows.column("timestamp").cast(stamp))
