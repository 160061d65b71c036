from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.errors import ReportError
from colisten.experiments.comparison import compare_arms, wilson
from colisten.experiments.outcomes import user_outcomes

START = datetime(2025, 6, 1, tzinfo=UTC)
SHARES = {"popularity": 0.5, "2t-hgnn": 0.5}


def exposure(user: str, item: str, hour: int, variant: str = "popularity") -> dict[str, object]:
    return {
        "request_id": f"{user}-{hour}",
        "user_id": user,
        "variant": variant,
        "release_id": "r1",
        "surface": "home",
        "item_id": item,
        "position": 1,
        "timestamp": START + timedelta(hours=hour),
    }


def event(user: str, item: str, hour: int, signal: str = "stream") -> dict[str, object]:
    return {
        "user_id": user,
        "item_id": item,
        "item_type": "audiobook",
        "signal": signal,
        "timestamp": START + timedelta(hours=hour),
    }


def outcomes(
    tmp_path: Path, exposures: list[dict[str, object]], events: list[dict[str, object]]
) -> list[dict[str, object]]:
    pq.write_table(pa.Table.from_pylist(exposures), tmp_path / "exposures.parquet")
    pq.write_table(pa.Table.from_pylist(events), tmp_path / "interactions.parquet")
    table = user_outcomes(
        tmp_path / "exposures.parquet",
        [tmp_path / "interactions.parquet"],
        target_type="audiobook",
        attribution_hours=24,
    )
    return [dict(row) for row in table.to_pylist()]


def test_only_shown_items_streamed_soon_after_count(tmp_path: Path) -> None:
    shown = [exposure("u1", "a", 0), exposure("u1", "b", 0), exposure("u2", "a", 0)]
    events = [
        event("u1", "a", 1),
        event("u1", "a", 2),
        event("u1", "c", 1),  # never shown
        event("u1", "b", 30),  # too late
        event("u2", "a", 1, signal="preview"),  # not a stream
        event("u3", "a", 1),  # never exposed
    ]
    first, second = outcomes(tmp_path, shown, events)
    assert (first["streams"], first["new_starts"]) == (2, 1)
    assert (second["streams"], second["new_starts"]) == (0, 0)


def test_a_known_item_is_a_stream_but_no_new_start(tmp_path: Path) -> None:
    rows = outcomes(
        tmp_path, [exposure("u1", "a", 0)], [event("u1", "a", -50), event("u1", "a", 1)]
    )
    assert (rows[0]["streams"], rows[0]["new_starts"]) == (1, 0)


def test_files_may_count_time_in_different_units(tmp_path: Path) -> None:
    shown = pa.Table.from_pylist([exposure("u1", "a", 0)])
    at = shown.schema.get_field_index("timestamp")
    nanoseconds = shown["timestamp"].cast(pa.timestamp("ns", tz="UTC"))
    pq.write_table(shown.set_column(at, "timestamp", nanoseconds), tmp_path / "exposures.parquet")
    pq.write_table(pa.Table.from_pylist([event("u1", "a", 1)]), tmp_path / "before.parquet")
    later = pa.Table.from_pylist([event("u1", "a", 2)])
    at = later.schema.get_field_index("timestamp")
    later = later.set_column(at, "timestamp", later["timestamp"].cast(pa.timestamp("ns", "UTC")))
    pq.write_table(later, tmp_path / "during.parquet")
    table = user_outcomes(
        tmp_path / "exposures.parquet",
        [tmp_path / "before.parquet", tmp_path / "during.parquet"],
        target_type="audiobook",
    )
    assert table.to_pylist()[0]["streams"] == 2


def test_no_exposures_is_an_error(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_pylist([exposure("u", "a", 0)]).slice(0, 0), tmp_path / "exposures.parquet"
    )
    pq.write_table(pa.Table.from_pylist([event("u", "a", 0)]), tmp_path / "interactions.parquet")
    with pytest.raises(ReportError, match="No exposures"):
        user_outcomes(
            tmp_path / "exposures.parquet",
            [tmp_path / "interactions.parquet"],
            target_type="audiobook",
        )


def table(rates: dict[str, float], users: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    rows = []
    for name, rate in rates.items():
        starts = rng.random(users) < rate
        rows += [
            {
                "user_id": f"{name}{n}",
                "variant": name,
                "variants": 1,
                "requests": 1,
                "streams": int(start),
                "new_starts": int(start),
            }
            for n, start in enumerate(starts)
        ]
    return pa.Table.from_pylist(rows)


def test_a_planted_lift_is_found() -> None:
    reading = compare_arms(
        table({"popularity": 0.10, "2t-hgnn": 0.15}, 8_000), control="popularity", shares=SHARES
    )
    lift = next(lift for lift in reading.lifts if lift.rate == "new_start_rate")
    assert lift.lift.low < 0.5 < lift.lift.high
    assert lift.lift.low > 0
    assert lift.p_value < 1e-6
    assert reading.split_is_sound


def test_intervals_cover_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(200):
        reading = compare_arms(
            table({"popularity": 0.2, "2t-hgnn": 0.2}, 400, seed),
            control="popularity",
            shares=SHARES,
        )
        lift = reading.lifts[1].lift
        covered += lift.low <= 0 <= lift.high
    assert 180 <= covered <= 199


def test_a_broken_split_is_seen() -> None:
    lopsided = pa.concat_tables([table({"popularity": 0.1}, 5_000), table({"2t-hgnn": 0.1}, 4_000)])
    assert not compare_arms(lopsided, control="popularity", shares=SHARES).split_is_sound


def test_users_of_two_arms_are_left_out_and_counted() -> None:
    rows = table({"popularity": 0.5, "2t-hgnn": 0.5}, 50)
    both = rows.set_column(2, "variants", pa.array([2] * 5 + [1] * 95))
    reading = compare_arms(both, control="popularity", shares=SHARES)
    assert reading.excluded == 5
    assert reading.arms[0].users == 45


def test_an_unplanned_arm_and_an_empty_control_are_errors() -> None:
    rows = table({"popularity": 0.1}, 10)
    with pytest.raises(ReportError, match="not planned"):
        compare_arms(rows, control="popularity", shares={"2t": 1.0})
    with pytest.raises(ReportError, match="no users"):
        compare_arms(rows, control="2t-hgnn", shares=SHARES)


def test_wilson_agrees_with_scipy() -> None:
    from scipy.stats import binomtest

    ours = wilson(7, 50, 0.95)
    theirs = binomtest(7, 50).proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
