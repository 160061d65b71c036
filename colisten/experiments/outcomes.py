"""What exposed users did: from exposures and interactions to one row per user.

A start (one of `data.start_signals`) counts when it lies within `attribution_hours` of any showing
of that item to that user: at the moment of the showing it does, at exactly so many hours after it
no more. However many showings cover it, it counts once, as does a row that a file repeats.

It is a *new start* (the paper's "new-audiobook start", section 5) when, besides, it is the first
start of that item by that user in all the interactions given: before the showing that caused it,
the user had never started the item, shown or not. A user has at most one new start per item.

A start whose moment is a whole second may have lost its fraction on the way, so it counts for a
showing of the same second as well; likewise one of a whole millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from numbers import Real
from pathlib import Path

import pyarrow as pa

from colisten.data.checks import check_file
from colisten.data.contract import EXPOSURES, INTERACTIONS, USERS
from colisten.data.views import open_files, reading
from colisten.errors import ConfigError, ReportError
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.words import known_word

MOST_HOURS = 24 * 366
"""Longest attribution window: a year."""

_MICROSECONDS = 3_600_000_000

# Windows are of one length, so the latest showing until a stream is the one that reaches furthest
# beyond it: whether any window covers the stream is decided by that one alone. What was shown to
# whom is numbered first: sorting and joining by two texts costs nearly twice as much.
_OUTCOMES = """
WITH pairs AS MATERIALIZED (
    SELECT user_id, item_id, row_number() OVER () AS pair
    FROM (SELECT DISTINCT user_id, item_id FROM exposures)
),
shown AS (
    SELECT DISTINCT pair, epoch_us(timestamp) AS moment
    FROM exposures JOIN pairs USING (user_id, item_id)
),
arms AS (
    SELECT user_id, min(variant) AS variant, count(DISTINCT variant) AS variants,
           count(DISTINCT request_id) AS requests,
           strftime(make_timestamp(min(epoch_us(timestamp))), '%Y-%m-%d') AS day,
           arg_min(surface, timestamp) AS surface
    FROM exposures GROUP BY user_id
),
streams AS MATERIALIZED (
    SELECT DISTINCT pair, epoch_us(timestamp) AS moment
    FROM interactions JOIN pairs USING (user_id, item_id)
    WHERE list_contains($start_signals, signal) AND item_type = $target_type
),
firsts AS (
    SELECT pair, min(moment) AS moment FROM streams GROUP BY pair
),
placed AS (
    SELECT pair, moment,
           moment + CASE WHEN moment % 1000000 = 0 THEN 999999
                         WHEN moment % 1000 = 0 THEN 999 ELSE 0 END AS latest
    FROM streams
),
caused AS (
    SELECT placed.pair, count(*) AS streams, min(placed.moment) AS moment
    FROM placed ASOF JOIN shown
      ON placed.pair = shown.pair AND placed.latest >= shown.moment
    WHERE placed.moment < shown.moment + $window
    GROUP BY placed.pair
),
totals AS (
    SELECT pairs.user_id, sum(caused.streams) AS streams,
           count_if(caused.moment = firsts.moment) AS new_starts
    FROM caused JOIN firsts USING (pair) JOIN pairs USING (pair)
    GROUP BY pairs.user_id
)
SELECT arms.user_id, arms.variant, arms.variants, arms.requests, arms.day, arms.surface, {country},
       CAST(coalesce(totals.streams, 0) AS BIGINT) AS streams,
       CAST(coalesce(totals.new_starts, 0) AS BIGINT) AS new_starts
FROM arms LEFT JOIN totals ON totals.user_id = arms.user_id {users}
ORDER BY arms.user_id
"""


def user_outcomes(
    exposures: Path,
    interactions: Sequence[Path],
    *,
    target_type: str,
    attribution_hours: float = 72,
    items: Path | None = None,
    users: Path | None = None,
    now: datetime | None = None,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> pa.Table:
    """One row per exposed user. The files are checked against the table contract first.

    Args:
        exposures: Parquet file of the exposures contract.
        interactions: Parquet files of the interactions contract: what users did before the
            experiment and during it.
        target_type: Item type on the shelf.
        attribution_hours: How long after it was shown a start still counts, above 0 and at most
            `MOST_HOURS`.
        items: Parquet file of the catalogue; without one, unknown items are not looked for.
        users: Parquet file of the users table; without one, no country is known.
        now: Rows after this moment are in the future; default the current time.
        data: Which types and signals there are, and what counts as a start.
        engine: Threads and memory of DuckDB.

    Returns:
        user_id, variant, variants (arms the user saw; more than one means a broken assignment),
        requests, day (the date in UTC) and surface of the first showing, country, streams (starts
        of shown items), new_starts (shown items started for the first time), ascending by user_id.

    Raises:
        ConfigError: An unknown `target_type`, or hours out of their bounds.
        Violation, TableViolations, TableError: A file breaks the contract.
        ReportError: There are no exposures, or no file of interactions is named.
    """
    known_word("Target type", target_type, data.item_types)
    if not interactions:
        raise ReportError("No interactions to read.", "Name the files of what users did.")
    window = _window(attribution_hours)
    check_file(EXPOSURES, exposures, items=items, now=now, data=data, engine=engine)
    for file in dict.fromkeys(interactions):
        check_file(INTERACTIONS, file, items=items, now=now, data=data, engine=engine)
    if users is not None:
        check_file(USERS, users, now=now, data=data, engine=engine)
    parts = [
        (replace(INTERACTIONS, name=f"interactions_{number}"), file)
        for number, file in enumerate(dict.fromkeys(interactions))
    ]
    files = [(EXPOSURES, exposures), *parts, *([] if users is None else [(USERS, users)])]
    with open_files(files, data, engine) as (views, violations):
        if violations:
            raise violations[0]
        if not views.rows[EXPOSURES.name]:
            raise ReportError(f"No exposures in {exposures}.", "An experiment needs shown shelves.")
        names = ", ".join(column.name for column in INTERACTIONS.columns)
        union = " UNION ALL ".join(f"SELECT {names} FROM {part.name}" for part, _ in parts)
        with reading(EXPOSURES.name):
            views.connection.execute(f"CREATE VIEW {INTERACTIONS.name} AS {union}")
            params = {
                "start_signals": list(data.start_signals),
                "target_type": target_type,
                "window": window,
            }
            return views.connection.sql(_query(users), params=params).to_arrow_table()


def _query(users: Path | None) -> str:
    """The query, with countries where there is a table of users."""
    if users is None:
        return _OUTCOMES.format(country="CAST(NULL AS VARCHAR) AS country", users="")
    join = f"LEFT JOIN {USERS.name} ON {USERS.name}.user_id = arms.user_id"
    return _OUTCOMES.format(country=f"{USERS.name}.country", users=join)


def _window(hours: float) -> int:
    """Hours in microseconds."""
    known = isinstance(hours, Real) and not isinstance(hours, bool)
    if not known or not 0 < hours <= MOST_HOURS:
        raise ConfigError(
            f"The attribution window of {hours!r} hours is not above 0 and at most {MOST_HOURS}.",
            "Say e.g. 72.",
        )
    return max(1, round(hours * _MICROSECONDS))
