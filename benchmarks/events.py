"""Listening events of any number, drawn in one stroke: Zipf-like items, a few heavy users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet

START = 1_700_000_000_000_000
YEAR = 365 * 86_400 * 1_000_000
# The paper's imbalance: few events are of audiobooks.
AUDIOBOOK_SHARE = 0.15
HEAVY_SHARE, HEAVIER = 0.05, 4.0
AUDIOBOOKS, PODCASTS = 20_000, 80_000


def write_events(folder: Path, *, users: int, events: int, seed: int = 0) -> Path:
    """Write `items.parquet` and `interactions.parquet` (docs/tables.md) within one year."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0, 0.6, users)
    activity[rng.random(users) < HEAVY_SHARE] *= HEAVIER
    user = np.repeat(np.arange(users), rng.multinomial(events, activity / activity.sum()))
    book = rng.random(events) < AUDIOBOOK_SHARE
    popularity = rng.random(events) ** 3
    item = np.where(
        book, popularity * AUDIOBOOKS, AUDIOBOOKS + np.floor(popularity * PODCASTS)
    ).astype(np.int64)
    moment = START + rng.integers(0, YEAR, events)
    order = np.argsort(moment, kind="stable")
    user, item, moment = user[order], item[order], moment[order]
    ids = pa.array(
        [f"audiobook-{number:07}" for number in range(AUDIOBOOKS)]
        + [f"podcast-{number:07}" for number in range(PODCASTS)]
    )
    types = pa.array(["audiobook", "podcast"])
    kind = pa.array((item >= AUDIOBOOKS).astype(np.int8))
    names = pa.array([f"user-{number}" for number in range(users)])
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write(
        pa.table(
            {
                "user_id": names.take(pa.array(user)),
                "item_id": ids.take(pa.array(item)),
                "item_type": types.take(kind),
                "signal": pa.array(["stream"]).take(pa.array(np.zeros(events, np.int8))),
                "timestamp": pa.array(moment, pa.timestamp("us", tz="UTC")),
            }
        ),
        folder / "interactions.parquet",
    )
    count = AUDIOBOOKS + PODCASTS
    parquet.write(
        pa.table(
            {
                "item_id": ids,
                "item_type": types.take(pa.array((np.arange(count) >= AUDIOBOOKS).astype(np.int8))),
                "title": ids,
                "description": ids,
                "language": pa.array(["en"] * count),
                "genres": pa.array([["fiction"]] * count),
                "published_at": pa.array([None] * count, pa.timestamp("us", tz="UTC")),
            }
        ),
        folder / "items.parquet",
    )
    return folder
