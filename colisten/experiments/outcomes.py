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
from pathlib import Path

import pyarrow as pa

from colisten.data.checks import check_file
from colisten.data.contract import EXPOSURES, INTERACTIONS, USERS
from colisten.data.views import open_files, reading
from colisten.errors import ReportError
from colisten.experiments.dates import ALWAYS, Dates, attribution_window
from colisten.experiments.outcomes_sql import outcomes_query
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.words import known_word


def user_outcomes(
    exposures: Path,
    interactions: Sequence[Path],
    *,
    target_type: str,
    attribution_hours: float = 72,
    items: Path | None = None,
    users: Path | None = None,
    dates: Dates = ALWAYS,
    now: datetime | None = None,
    data: DataSettings = DataSettings(),
    engine: Engine = Engine(),
) -> pa.Table:
    """One row per exposed user. The files are checked against the table contract first.

    Args:
        exposures: Parquet file of the exposures contract.
        interactions: Parquet files of the interactions contract: what users did before the
            experiment and, last, during it.
        target_type: Item type on the shelf.
        attribution_hours: How long after it was shown a start still counts, above 0 and at most
            `MOST_HOURS`.
        items: Parquet file of the catalogue; without one, unknown items are not looked for.
        users: Parquet file of the users table; without one, no country is known.
        dates: Which showings and events count.
        now: Rows after this moment are in the future; default the current time.
        data: Which types and signals there are, and what counts as a start.
        engine: Threads and memory of DuckDB.

    Returns:
        Ascending by user_id: user_id, variant, variants (arms the user saw; more than one means a
        broken assignment), requests, day (the date in UTC), surface and moment (first, in
        microseconds) of the first showing, country, history (what the user had started before it),
        observed_days (from it to the last row), streams (starts of shown items), new_starts (shown
        items started for the first time) and new_start_days (days from the first showing to each).
        From the first showing on, shown or not: all_new_starts, other_starts (of other types);
        their counterparts in the days before it: starts_before, new_starts_before,
        other_starts_before. Where interactions say how long they lasted: hours, hours_before;
        where exposures say what shelves were worth: fallbacks, empty_shelves, known_requests.
        An empty shelf is a request that was shown nothing; its user counts as exposed.

    Raises:
        ConfigError: An unknown `target_type`, or hours out of their bounds.
        Violation, TableViolations, TableError: A file breaks the contract.
        ReportError: There are no exposures, or none at these dates, or no file of interactions is
            named.
    """
    known_word("Target type", target_type, data.item_types)
    if not interactions:
        raise ReportError("No interactions to read.", "Name the files of what users did.")
    attribution_window(attribution_hours)
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
        query = outcomes_query(
            countries=users is not None,
            shelves="quality" in views.present[EXPOSURES.name],
            durations=any("duration_ms" in views.present[part.name] for part, _ in parts),
        )
        names = ", ".join(column.name for column in INTERACTIONS.columns)
        union = " UNION ALL ".join(f"SELECT {names} FROM {part.name}" for part, _ in parts)
        own = next(part.name for part, file in parts if file == interactions[-1])
        with reading(EXPOSURES.name):
            views.connection.execute(f"CREATE VIEW {INTERACTIONS.name} AS {union}")
            params = dates.params | {
                "start_signals": list(data.start_signals),
                "target_type": target_type,
                "window": attribution_window(attribution_hours),
                "until": dates.last_row(views.connection, EXPOSURES.name, own),
            }
            table = views.connection.sql(query, params=params).to_arrow_table()
    if not table.num_rows:
        raise ReportError(f"No exposures in {exposures} {dates.said}.", "Look at the design.")
    return table
