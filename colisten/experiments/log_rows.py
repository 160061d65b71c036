"""What the rows of an experiment's files look like: whatever repeats, contradicts or belongs to
nobody is counted, so that a reader sees a broken log before its results."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from colisten.data.contract import EXPOSURES, INTERACTIONS
from colisten.data.moments import parse_moment
from colisten.data.views import open_files, reading
from colisten.experiments.dates import ALWAYS, Dates, attribution_window
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine

MOST_REQUESTS = 200
"""Requests in a day beyond which no person looks at shelves; more is a program."""

_FORMAT = "%Y-%m-%d %H:%M UTC"

# Rows are told apart by 64 bits of all their columns, which takes a tenth of the memory.
_COUNTS = """
WITH seen AS (
    SELECT * FROM exposures
    WHERE epoch_us(timestamp) >= $start AND epoch_us(timestamp) < $end
),
days AS (
    SELECT user_id FROM seen GROUP BY user_id, epoch_us(timestamp) // 86400000000
    HAVING count(DISTINCT request_id) > $most_requests
),
torn AS (
    SELECT request_id FROM seen GROUP BY request_id
    HAVING min(user_id) <> max(user_id) OR min(variant) <> max(variant)
),
starts AS (
    SELECT DISTINCT user_id, item_id, epoch_us(timestamp) AS moment FROM interactions
    WHERE list_contains($start_signals, signal) AND item_type = $target_type
      AND epoch_us(timestamp) < $end
),
firsts AS (
    SELECT min(epoch_us(timestamp)) AS moment FROM seen GROUP BY user_id
),
bounds AS (
    SELECT (SELECT min(epoch_us(timestamp)) FROM seen) AS first,
           least($end, greatest((SELECT max(epoch_us(timestamp)) FROM exposures),
                    (SELECT max(epoch_us(timestamp)) FROM interactions))) AS last
),
shown AS (
    SELECT DISTINCT user_id, item_id, epoch_us(timestamp) AS moment FROM seen
)
SELECT
    (SELECT count(*) FROM exposures),
    (SELECT count(*) FROM exposures) - (SELECT count(*) FROM seen),
    (SELECT count(*) - count(DISTINCT hash({exposures})) FROM exposures),
    (SELECT count(*) FROM torn),
    (SELECT count(DISTINCT user_id) FROM days),
    (SELECT count(*) FROM interactions),
    (SELECT count(*) - count(DISTINCT hash({interactions})) FROM interactions),
    (SELECT count(*) FROM interactions ANTI JOIN exposures USING (user_id)),
    (SELECT count(*) FROM starts ASOF JOIN shown
         ON starts.user_id = shown.user_id AND starts.item_id = shown.item_id
            AND starts.moment >= shown.moment
     WHERE starts.moment >= shown.moment + $window),
    (SELECT count(*) FROM firsts, bounds WHERE firsts.moment + $window > bounds.last),
    (SELECT strftime(make_timestamp(first), $format) FROM bounds),
    (SELECT strftime(make_timestamp(last), $format) FROM bounds),
    (SELECT coalesce(list_sort(list(DISTINCT release_id)), [])
     FROM seen WHERE release_id IS NOT NULL)
"""


@dataclass(frozen=True)
class LogRows:
    """Rows of the experiment's own files.

    Attributes:
        target_type: Item type whose starts count.
        attribution_hours: How long after a showing they do.
        showings: Rows of the exposures.
        other_showings: Of them those before the start and from the end on; they count nowhere.
        repeated_showings: Of them exact repetitions; they count once.
        torn_requests: Requests of several users or several arms, which no answer has.
        busy_users: Users with more than `MOST_REQUESTS` requests in one day (UTC). They stay in:
            a user counts once.
        events: Rows of the interactions.
        repeated_events: Of them exact repetitions; they count once.
        orphan_events: Of them those of users to whom nothing was shown; they count nowhere.
        late_starts: Starts of shown items after every window had closed; they count nowhere.
        open_users: Users whose first showing is less than a window before the last row: what they
            do is not known to its end.
        first_shown: Moment of the first showing.
        last_row: Moment of the last showing or event.
        releases: Ids of the releases that were shown, in their order as texts.
    """

    target_type: str
    attribution_hours: float
    showings: int
    other_showings: int
    repeated_showings: int
    torn_requests: int
    busy_users: int
    events: int
    repeated_events: int
    orphan_events: int
    late_starts: int
    open_users: int
    first_shown: str
    last_row: str
    releases: tuple[str, ...]

    @property
    def last_moment(self) -> datetime:
        """`last_row` as a moment, to the minute."""
        return parse_moment(self.last_row.removesuffix(" UTC"), "the last row")

    @property
    def said(self) -> str:
        """What was read, in words."""
        text = (
            f"Starts of {self.target_type!r} within {self.attribution_hours:g} hours of a showing. "
            f"First showing {self.first_shown}, last row {self.last_row}."
        )
        if self.other_showings:
            text += f" Showings at other dates: {self.other_showings:,}, which count nowhere."
        if self.open_users:
            who = "1 user was" if self.open_users == 1 else f"{self.open_users:,} users were"
            text += (
                f" {who} first shown something less than {self.attribution_hours:g} hours before "
                "that: what they do is not known to its end."
            )
        return text


def log_rows(
    exposures: Path,
    interactions: Path,
    *,
    target_type: str,
    attribution_hours: float,
    dates: Dates = ALWAYS,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> LogRows:
    """Count the rows of files that `user_outcomes` has checked.

    Args:
        exposures: Parquet file of the exposures contract.
        interactions: Parquet file of the interactions contract, of the experiment alone.
        target_type: Item type on the shelf.
        attribution_hours: How long after it was shown a start still counts.
        dates: Which showings and events count.
        data: What counts as a start.
        engine: Threads and memory of DuckDB.

    Raises:
        Violation, TableError: A file cannot be read.
    """
    files = [(EXPOSURES, exposures), (INTERACTIONS, interactions)]
    query = _COUNTS.format(
        **{table.name: ", ".join(column.name for column in table.columns) for table, _ in files}
    )
    params = dates.params | {
        "start_signals": list(data.start_signals),
        "target_type": target_type,
        "window": attribution_window(attribution_hours),
        "most_requests": MOST_REQUESTS,
        "format": _FORMAT,
    }
    with open_files(files, data, engine) as (views, violations):
        if violations:
            raise violations[0]
        with reading(EXPOSURES.name):
            *counts, releases = views.connection.execute(query, params).fetchall()[0]
    return LogRows(target_type, attribution_hours, *[*counts, tuple(releases)])
