"""How much a weak signal foretells a stream (paper, section 2): odds by logistic regression."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import numpy as np

from colisten.simulator.report import Figure
from colisten.simulator.settings import WorldSettings
from colisten.statistics.proportions import odds_ratios

PAPER_ODDS = {"follow": 1.18, "preview": 0.18, "intent_to_pay": 0.13}

SETTLE_DAYS = 14
"""Pairs whose first weak signal is younger have not had the time to show whether a stream comes."""


def signal_odds(base: duckdb.DuckDBPyConnection, settings: WorldSettings) -> list[Figure]:
    """Change of a stream's odds after each weak signal, on the `events` view of a world."""
    rows = base.execute(
        """
        WITH streams AS (
            SELECT user_id, item_id, min(timestamp) AS started FROM events
            WHERE item_type = 'audiobook' AND signal = 'stream' GROUP BY user_id, item_id),
        pairs AS (
            SELECT bool_or(signal = 'follow') AS follow, bool_or(signal = 'preview') AS preview,
                bool_or(signal = 'intent_to_pay') AS intent, any_value(started) AS started
            FROM events LEFT JOIN streams USING (user_id, item_id)
            WHERE item_type = 'audiobook' AND signal <> 'stream'
                AND (started IS NULL OR timestamp < started)
            GROUP BY user_id, item_id HAVING min(timestamp) < $settled)
        SELECT CAST(follow AS INT), CAST(preview AS INT), CAST(intent AS INT),
            count(*), count(started) FROM pairs GROUP BY ALL ORDER BY ALL
        """,
        {"settled": settings.end_moment - timedelta(days=SETTLE_DAYS)},
    ).fetchall()
    odds = odds_ratios(np.array(rows, dtype=float).reshape(-1, 5))
    how = f"logistic regression; weak signals first, over {SETTLE_DAYS} days before the end"
    labels = {"follow": "follow", "preview": "preview", "intent_to_pay": "intent to pay"}
    return [
        Figure(
            f"odds_{signal}",
            f"Odds of a stream after {labels[signal]}",
            None if np.isnan(value) else round(float(value) - 1, 4),
            f"{100 * PAPER_ODDS[signal]:+.0f} %",
            PAPER_ODDS[signal],
            how,
            "odds",
        )
        for signal, value in zip(PAPER_ODDS, odds, strict=True)
    ]
