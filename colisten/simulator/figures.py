"""The paper's observations (section 2), measured on the written tables of a world.

Nothing here knows the planted truth: every figure is a query over the contract's tables, as it
could be run on anybody's data. Figures over pairs are taken from a sample of users, so that their
cost does not grow with the world.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np

from colisten.data import parquet
from colisten.data.duckdb_connection import connect
from colisten.simulator.closeness import closeness
from colisten.simulator.odds import signal_odds
from colisten.simulator.report import Figure
from colisten.simulator.settings import WorldSettings

MEMORY = "1GB"
"""What DuckDB may hold before it spills to disk."""

SAMPLE_USERS = 5_000
"""Users, at most, whose pairs of items are looked at."""

MATRIX_SIGNALS = ("stream", "preview", "intent_to_pay", "follow")
_SPOKEN = dict(zip(MATRIX_SIGNALS, ("stream", "preview", "intent", "follow"), strict=True))
PAPER_MATRIX = np.array(
    [
        [0.012, 0.17, 0.73, 0.094],
        [0.047, 0.46, 0.43, 0.066],
        [0.071, 0.15, 0.70, 0.080],
        [0.041, 0.10, 0.35, 0.50],
    ]
)


def measure(folder: Path, settings: WorldSettings) -> tuple[Figure, ...]:
    """Measure every figure of a world's folder."""
    with TemporaryDirectory() as spill, open_world(folder, settings) as base:
        base.execute(f"SET temp_directory = '{spill}'")
        base.execute(f"SET memory_limit = '{MEMORY}'")
        return (
            *_volumes(base, settings),
            *_concentration(base),
            _podcasts_first(base),
            *signal_odds(base, settings),
            *_matrix(base),
            *closeness(base, settings.seed),
            *_edges(base),
        )


def open_world(folder: Path, settings: WorldSettings) -> duckdb.DuckDBPyConnection:
    """DuckDB with views items, events, sampled (users) and picks (distinct sampled streams)."""
    # One thread: float sums must not depend on which worker came first.
    base = connect(threads=1)
    for view, file in (("items", "items"), ("events", "interactions"), ("users", "users")):
        scan = parquet.scan(folder / f"{file}.parquet")
        base.execute(f"CREATE VIEW {view} AS SELECT * FROM {scan}")
    step = -(-settings.users // SAMPLE_USERS)
    base.execute(
        "CREATE TABLE sampled AS SELECT user_id FROM users "
        f"WHERE CAST(substr(user_id, 2) AS BIGINT) % {step} = 0"
    )
    base.execute(
        "CREATE TABLE picks AS SELECT DISTINCT user_id, item_id, item_type FROM events "
        "SEMI JOIN sampled USING (user_id) WHERE signal = 'stream'"
    )
    return base


def _volumes(base: duckdb.DuckDBPyConnection, settings: WorldSettings) -> list[Figure]:
    cut = datetime.combine(settings.cut, time(), tzinfo=UTC)
    events, streams, books, listeners = _row(
        base,
        "SELECT count(*), count(*) FILTER (signal = 'stream'),"
        " count(*) FILTER (signal = 'stream' AND item_type = 'audiobook'),"
        " count(DISTINCT user_id) FILTER (signal = 'stream' AND item_type = 'audiobook')"
        " FROM events",
    )
    before, cold, answers, cold_answers = _row(
        base,
        """
        WITH known AS (
            SELECT user_id, bool_or(item_type = 'audiobook') AS warm
            FROM events WHERE timestamp < $cut GROUP BY user_id),
        streamed AS (
            SELECT DISTINCT user_id, item_id FROM events
            WHERE timestamp < $cut AND signal = 'stream'),
        answers AS (
            SELECT DISTINCT user_id FROM events ANTI JOIN streamed USING (user_id, item_id)
            WHERE timestamp >= $cut AND signal = 'stream' AND item_type = 'audiobook')
        SELECT count(*), count(*) FILTER (NOT warm),
            count(answers.user_id), count(answers.user_id) FILTER (NOT warm)
        FROM known LEFT JOIN answers USING (user_id)
        """,
        {"cut": cut},
    )
    return [
        _count("events", "Events", events, "all signals"),
        _count("streams", "Streams", streams, "all types; paper: in 90 days", "800M+"),
        _count("audiobook_streams", "Audiobook streams", books, "both sides of the cut"),
        _count("audiobook_listeners", "Audiobook listeners", listeners, "users with a stream"),
        _share(
            "cold_users",
            "Users cold at the cut",
            _ratio(cold, before),
            None,
            "of users with events before it, those without any on audiobooks",
        ),
        _count("holdout_users", "Users to measure on", answers, "start an audiobook after the cut"),
        _count("holdout_cold", "... of them cold", cold_answers, "no audiobook signal before"),
    ]


def _concentration(base: duckdb.DuckDBPyConnection) -> list[Figure]:
    figures = []
    listeners, titles = (
        "SELECT count(*) FROM totals",
        "SELECT count(*) FROM items WHERE item_type = 'audiobook'",
    )
    for key, column, everybody, top, label, target, paper in (
        ("top_users", "user_id", listeners, 0.25, "Hours of the top 25 % of users", 0.75, "75 %"),
        ("top_titles", "item_id", titles, 0.2, "Hours of the top 20 % of titles", 0.8, "> 80 %"),
    ):
        (share,) = _row(
            base,
            f"""
            WITH totals AS (
                SELECT {column} AS it, sum(hours) AS hours FROM events
                WHERE item_type = 'audiobook' AND signal = 'stream' GROUP BY it),
            ranked AS (
                SELECT hours, row_number() OVER (ORDER BY hours DESC, it) AS place FROM totals)
            SELECT sum(hours) FILTER (place <= ceil({top} * ({everybody}))) / sum(hours)
            FROM ranked
            """,
        )
        what = "listeners" if column == "user_id" else "the catalogue"
        figures.append(_share(key, label, share, target, f"audiobook hours; of {what}", paper))
    return figures


def _podcasts_first(base: duckdb.DuckDBPyConnection) -> Figure:
    (share,) = _row(
        base,
        """
        WITH firsts AS (
            SELECT user_id,
                min(timestamp) FILTER (item_type = 'audiobook' AND signal = 'stream') AS book,
                min(timestamp) FILTER (item_type = 'podcast') AS podcast
            FROM events GROUP BY user_id)
        SELECT avg(CAST(coalesce(podcast < book, false) AS INT)) FROM firsts WHERE book IS NOT NULL
        """,
    )
    return _share(
        "podcasts_first",
        "First audiobook listeners who used podcasts",
        share,
        0.70,
        "a podcast event before the user's first audiobook stream",
        "> 70 %",
    )


def _matrix(base: duckdb.DuckDBPyConnection) -> list[Figure]:
    """Neighbouring signals of a user on one audiobook, either way round, rows summing to one.

    The published matrix satisfies detailed balance to its rounding, so it is read as counts of
    unordered pairs scaled by row.
    """
    rows = base.execute(
        """
        WITH steps AS (
            SELECT signal AS here, lag(signal) OVER (
                PARTITION BY user_id, item_id ORDER BY timestamp, signal) AS there
            FROM events WHERE item_type = 'audiobook')
        SELECT here, there, count(*) FROM steps WHERE there IS NOT NULL GROUP BY ALL
        """
    ).fetchall()
    counts = np.zeros((4, 4))
    for here, there, number in rows:
        counts[MATRIX_SIGNALS.index(here), MATRIX_SIGNALS.index(there)] += number
    counts = counts + counts.T
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full((4, 4), np.nan), where=totals > 0)
    return [
        _share(
            f"beside_{row}_{column}",
            f"Beside {_SPOKEN[row]}: {_SPOKEN[column]}",
            shares[r, c],
            float(PAPER_MATRIX[r, c]),
            f"share of {', '.join(_SPOKEN.values())} next to it on one audiobook",
            f"{100 * PAPER_MATRIX[r, c]:.1f} %",
        )
        for r, row in enumerate(MATRIX_SIGNALS)
        for c, column in enumerate(MATRIX_SIGNALS)
    ]


def _edges(base: duckdb.DuckDBPyConnection) -> list[Figure]:
    counts = dict(
        base.execute(
            """
            WITH pairs AS (
                SELECT DISTINCT one.item_id AS a, two.item_id AS b,
                    one.item_type[1] || '-' || two.item_type[1] AS relation
                FROM picks one JOIN picks two USING (user_id) WHERE one.item_id < two.item_id)
            SELECT relation, count(*) FROM pairs GROUP BY relation
            """
        ).fetchall()
    )
    books = counts.get("a-a", 0)
    how = f"distinct co-streamed pairs, up to {SAMPLE_USERS:,} users"
    return [
        _count("edges_aa", "Edges audiobook-audiobook", books, how),
        *(
            Figure(
                f"edges_{key}",
                f"Edges {label} per audiobook-audiobook",
                _ratio(counts.get(relation, 0), books),
                "far more",
                None,
                how,
                "ratio",
            )
            for key, relation, label in (
                ("ap", "a-p", "audiobook-podcast"),
                ("pp", "p-p", "podcast-podcast"),
            )
        ),
    ]


def _row(base: duckdb.DuckDBPyConnection, query: str, values: Any = None) -> tuple[Any, ...]:
    row = base.execute(query, values).fetchone()
    return tuple(row) if row is not None else ()


def _count(key: str, label: str, ours: float, how: str, paper: str = "") -> Figure:
    return Figure(key, label, float(ours), paper, None, how, "count")


def _share(
    key: str, label: str, ours: float | None, target: float | None, how: str, paper: str = ""
) -> Figure:
    return Figure(key, label, _known(ours), paper, target, how, "share")


def _ratio(part: float, whole: float) -> float | None:
    return _known(part / whole) if whole else None


def _known(value: float | None) -> float | None:
    """Rounded, so that the file does not hang on a last bit; None where undefined."""
    return None if value is None or not np.isfinite(value) else round(float(value), 4)
