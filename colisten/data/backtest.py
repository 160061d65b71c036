"""Where the backtest is cut: the window before the cut on which a release is judged."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from colisten.data import parquet
from colisten.data.duckdb_connection import connect
from colisten.data.moments import days_from, utc
from colisten.settings.data import DataSettings

# A backtest that learns from less than this share of the starts says little about the real fit.
MIN_SHARE = 0.5
FALLBACK_SHARE = 0.8


def backtest_cut(source: Path, *, cut: datetime, window_days: int, data: DataSettings) -> datetime:
    """The moment one window before `cut`, or a later one where that leaves too little to learn.

    With less than half of the target type's starts before `cut - window`, the backtest is cut
    where four fifths of them have happened, or else where the earliest are past, and its window
    ends at `cut` all the same. Where all of them have one moment nothing can be tried: it is
    `cut` itself, after which the history holds nobody to measure. Reads nothing at or after `cut`.

    Args:
        source: Folder of contract tables.
        cut: UTC moment.
        window_days: Length of the window.
        data: Which items are recommended, and which signals count as a start.
    """
    wanted = days_from(cut, -window_days)
    with connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        row = connection.execute(
            f"""
            WITH starts AS (
                SELECT timestamp FROM (
                    SELECT signal, item_type, CAST(timestamp AS TIMESTAMPTZ) AS timestamp
                    FROM {parquet.scan(source / "interactions.parquet")}
                )
                WHERE list_contains(?, signal) AND item_type = ? AND timestamp < ?
            )
            SELECT count(*), count(*) FILTER (WHERE timestamp < ?),
                   quantile_disc(timestamp, ?),
                   min(timestamp) FILTER (WHERE timestamp > (SELECT min(timestamp) FROM starts))
            FROM starts
            """,
            [list(data.start_signals), data.target_type, cut, wanted, FALLBACK_SHARE],
        ).fetchone()
    if row is None or not row[0] or row[1] >= MIN_SHARE * row[0]:
        return wanted
    if row[3] is None:
        return utc(cut)
    moment: datetime = max(row[2], row[3])
    return utc(moment)
