"""One expression, two engines, and the plain answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from colisten.features.history import history_rows
from tests.conftest import SIGNALS
from tests.features.naive import events_table, history_of

LENGTH = 7


def random_events(seed: int, *, users: int = 12, events: int = 400) -> pd.DataFrame:
    """Events with many ties in time, at moments that need microseconds."""
    rng = np.random.default_rng(seed)
    moments = pd.Timestamp("2025-03-01T00:00:00.000001Z") + pd.to_timedelta(
        rng.integers(0, 60, events) * 86_400_000_001, unit="us"
    )
    kinds = rng.choice(["audiobook", "podcast"], events)
    return pd.DataFrame(
        {
            "user_id": [f"u{at}" for at in rng.integers(0, users, events)],
            "item_id": [
                f"{kind[0]}{at}" for kind, at in zip(kinds, rng.integers(0, 9, events), strict=True)
            ],
            "item_type": kinds,
            "signal": rng.choice(SIGNALS, events),
            "timestamp": moments,
        }
    ).drop_duplicates()


def read(events: pd.DataFrame, folder: Path) -> Any:
    file = folder / "events.parquet"
    pq.write_table(events_table(events), file)
    engine = ibis.duckdb.connect()
    engine.raw_sql("SET TimeZone = 'UTC'")
    return engine.read_parquet(file)


def answer(events: Any, item_type: str) -> pd.DataFrame:
    rows = history_rows(events, item_type=item_type, history_length=LENGTH)
    frame: pd.DataFrame = rows.order_by("user_id", "event_timestamp").execute()
    for name in ("item_ids", "signals", "times"):
        frame[name] = [list(entries) for entries in frame[name]]
    return frame


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("item_type", ["audiobook", "podcast"])
def test_duckdb_gives_the_plain_answer(tmp_path: Path, seed: int, item_type: str) -> None:
    events = random_events(seed)
    rows = answer(read(events, tmp_path), item_type)
    own = events[events.item_type == item_type]
    assert len(rows) == len(own[["user_id", "timestamp"]].drop_duplicates())
    row: Any
    for row in rows.itertuples():
        just_after = row.event_timestamp + timedelta(microseconds=1)
        expected = history_of(events, row.user_id, item_type, just_after, LENGTH)
        assert [row.item_ids, row.signals, row.times] == list(expected.values())
        assert max(row.times) == row.event_timestamp.value // 1000


def test_a_type_without_events_gives_no_row(tmp_path: Path) -> None:
    events = random_events(0)
    podcasts = events[events.item_type == "podcast"]
    assert len(answer(read(podcasts, tmp_path), "audiobook")) == 0


@pytest.mark.slow
def test_spark_gives_what_duckdb_gives(tmp_path: Path, spark: Any) -> None:
    near = answer(read(random_events(2), tmp_path), "podcast")
    far = answer(spark.read_parquet(str(tmp_path / "events.parquet")), "podcast")
    assert len(near) > 50
    for frame in (near, far):
        frame["event_timestamp"] = pd.to_datetime(frame.event_timestamp, utc=True)
    for name in near.columns:
        assert near[name].tolist() == far[name].tolist(), name
