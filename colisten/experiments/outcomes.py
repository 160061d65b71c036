"""What exposed users did: from exposures and interactions to one row per user.

A stream counts for an arm when the item was on that user's shelf at most `attribution_hours`
before. It is a *new start* when the user had never streamed that item before the exposure
(the paper's "new-audiobook start", section 5).
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ReportError

_OUTCOMES = """
WITH shown AS (
    SELECT user_id, item_id, variant, min(timestamp) AS shown_at
    FROM exposures GROUP BY user_id, item_id, variant
),
arms AS (
    SELECT user_id, min(variant) AS variant, count(DISTINCT variant) AS variants,
           count(DISTINCT request_id) AS requests
    FROM exposures GROUP BY user_id
),
streams AS (
    SELECT user_id, item_id, timestamp FROM interactions
    WHERE signal = 'stream' AND item_type = ?
),
caused AS (
    SELECT shown.user_id, shown.item_id, shown.shown_at, count(*) AS streams
    FROM shown JOIN streams
      ON streams.user_id = shown.user_id AND streams.item_id = shown.item_id
     AND streams.timestamp >= shown.shown_at
     AND streams.timestamp < shown.shown_at + to_hours(CAST(? AS INTEGER))
    GROUP BY ALL
),
before AS (
    SELECT DISTINCT caused.user_id, caused.item_id
    FROM caused JOIN streams
      ON streams.user_id = caused.user_id AND streams.item_id = caused.item_id
     AND streams.timestamp < caused.shown_at
),
totals AS (
    SELECT caused.user_id, sum(caused.streams) AS streams,
           count(*) FILTER (WHERE before.user_id IS NULL) AS new_starts
    FROM caused LEFT JOIN before
      ON before.user_id = caused.user_id AND before.item_id = caused.item_id
    GROUP BY caused.user_id
)
SELECT arms.user_id, arms.variant, arms.variants, arms.requests,
       CAST(coalesce(totals.streams, 0) AS BIGINT) AS streams,
       CAST(coalesce(totals.new_starts, 0) AS BIGINT) AS new_starts
FROM arms LEFT JOIN totals ON totals.user_id = arms.user_id
ORDER BY arms.user_id
"""


def user_outcomes(
    exposures: Path,
    interactions: list[Path],
    *,
    target_type: str,
    attribution_hours: int = 72,
) -> pa.Table:
    """One row per exposed user.

    Args:
        exposures: Parquet file of the exposures contract.
        interactions: Parquet files of the interactions contract: what users did before the
            experiment and during it.
        target_type: Item type on the shelf.
        attribution_hours: How long after it was shown a stream still counts.

    Returns:
        user_id, variant, variants (arms the user saw; more than one means a broken assignment),
        requests, streams (of shown items), new_starts (shown items streamed for the first time).

    Raises:
        ReportError: There are no exposures.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE VIEW exposures AS " + _select([exposures]))
        connection.execute("CREATE VIEW interactions AS " + _select(interactions))
        rows = connection.sql(_OUTCOMES, params=[target_type, attribution_hours]).to_arrow_table()
    if not rows.num_rows:
        raise ReportError(f"No exposures in {exposures}.", "An experiment needs shown shelves.")
    return rows


def _select(files: list[Path]) -> str:
    # Files may count time in any unit; DuckDB does not compare nanoseconds with microseconds.
    return (
        "SELECT * REPLACE (CAST(timestamp AS TIMESTAMPTZ) AS timestamp) "
        f"FROM {parquet.scan(*files, options='union_by_name = true')}"
    )
