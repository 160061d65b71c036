"""The report of an experiment of ten million showings to a million users: seconds and memory."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.alone import alone
from benchmarks.pairs import machine, write_result
from colisten.data.duckdb_connection import connect
from colisten.logs import configure_logs
from colisten.settings.tree import Settings
from colisten.steps.use_cases.experiment import compare_experiment

NAME = "experiment_report"
USERS, SHELVES, TITLES = 1_000_000, 2, 5
"""Of each user so many shelves of so many titles."""

LIMIT = "3GB"
SHARES = {"control": 0.5, "new": 0.5}
_START = int(datetime(2025, 6, 1, tzinfo=UTC).timestamp())
_DAYS, _CATALOGUE = 28, 20_000

# Titles, moments and answers are drawn by digests, so that each run reads the same tables.
_SHOWN = f"""
SELECT 'r' || who || '-' || shelf AS request_id, 'u' || who AS user_id,
       CASE WHEN md5_number_lower('arm' || who) % 2 = 0 THEN 'control' ELSE 'new' END AS variant,
       'r1' AS release_id,
       CASE WHEN hash(who, 'surface') % 3 = 0 THEN 'search' ELSE 'home' END AS surface,
       'a' || hash(who, shelf, title) % {_CATALOGUE} AS item_id,
       CAST(title + 1 AS INTEGER) AS position,
       to_timestamp({_START} + hash(who, shelf) % ({_DAYS} * 86400)) AS timestamp
FROM range($users) users(who), range({SHELVES}) shelves(shelf), range({TITLES}) titles(title)
"""
_STARTED = """
SELECT user_id, item_id, 'audiobook' AS item_type, 'stream' AS signal,
       timestamp + to_seconds(CAST(hash(user_id, item_id, 's') % 400000 AS BIGINT)) AS timestamp,
       CAST(60000 * (hash(user_id, item_id, 'd') % 90) AS DOUBLE) AS duration_ms
FROM exposures WHERE hash(user_id, item_id) % 10 = 0 OR (variant = 'new' AND
     hash(user_id, item_id) % 100 = 1)
"""
_BEFORE = f"""
SELECT 'u' || who AS user_id, 'a' || hash(who, nth, 'b') % {_CATALOGUE} AS item_id,
       'audiobook' AS item_type, 'stream' AS signal,
       to_timestamp({_START} - hash(who, nth, 't') % (60 * 86400)) AS timestamp,
       CAST(60000 * (hash(who, nth, 'd') % 90) AS DOUBLE) AS duration_ms
FROM range($users) users(who), range(2) times(nth)
"""
_PEOPLE = """
SELECT 'u' || who AS user_id,
       ['SE', 'DE', 'BR', 'US'][CAST(1 + hash(who, 'c') % 4 AS INTEGER)] AS country,
       CAST(NULL AS FLOAT) AS age
FROM range($users) users(who)
"""


def run() -> None:
    """Write the tables, then report them in a process of its own."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        rows = write_experiment(folder, USERS)
        read = alone(report, folder)
    figures = {**machine(), "memory_limit": LIMIT, **rows, **read}
    write_result(NAME, figures)
    print(f"{NAME}: {figures}")


def write_experiment(folder: Path, users: int) -> dict[str, int]:
    """Tables of what users did before, and of an experiment with a small lift; how many rows."""
    inside = folder / "experiment"
    inside.mkdir()
    rows = {"users": users}
    with connect(memory_limit=LIMIT) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for file, query in (
            (inside / "exposures.parquet", _SHOWN),
            (inside / "interactions.parquet", _STARTED),
            (folder / "interactions.parquet", _BEFORE),
            (folder / "users.parquet", _PEOPLE),
        ):
            params = {"users": users} if "$users" in query else {}
            count = connection.execute(f"COPY ({query}) TO '{file}'", params).fetchall()[0][0]
            rows[f"{file.parent.name}/{file.stem}".removeprefix(f"{folder.name}/")] = int(count)
            if query is _SHOWN:
                connection.execute(f"CREATE VIEW exposures AS FROM '{file}'")
    return rows


def markdown(result: dict[str, Any] | None) -> str:
    """The figures as a table."""
    if result is None:
        return "Not measured yet."
    rows = [
        ("showings", f"{result['experiment/exposures']:,}"),
        ("users", f"{result['users']:,}"),
        ("events before it and during it", _events(result)),
        ("CPU seconds, all threads", f"{result['cpu_seconds']:,.0f}"),
        ("seconds, on a machine that had other work", f"{result['seconds']:,.0f}"),
        ("memory at its peak", f"{result['peak_gib']:.1f} GiB"),
    ]
    lines = [f"| {what} | {figure} |" for what, figure in rows]
    return "\n".join(["| what | figure |", "|---|---|", *lines])


def _events(result: dict[str, Any]) -> str:
    return f"{result['interactions']:,} and {result['experiment/interactions']:,}"


def report(folder: Path) -> dict[str, Any]:
    """Seconds from files to page, and what the page says of the primary metric."""
    configure_logs("warning")
    start, began = time.perf_counter(), time.process_time()
    reading = compare_experiment(
        folder,
        folder / "experiment",
        folder / "out" / "reports" / "experiment.html",
        control="control",
        shares=SHARES,
        target="audiobook",
        settings=Settings(memory_limit=LIMIT),
    )
    lift = reading.lifts[0].lift
    assert lift is not None
    return {
        "seconds": round(time.perf_counter() - start, 1),
        # Of all threads: beside other work on the machine the seconds say little.
        "cpu_seconds": round(time.process_time() - began, 1),
        "lift": round(lift.value, 4),
        "split_is_sound": reading.split_is_sound,
    }
