"""Every kind of odd row that is planted is counted, and a clean log has none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from colisten.experiments.log_rows import MOST_REQUESTS, LogRows, log_rows
from tests.experiments.test_outcomes import Row, event, exposure, write

CLEAN_SHOWN = [exposure("u", "a", 0), exposure("v", "a", 1), exposure("v", "b", 30)]
CLEAN_DONE = [event("u", "a", 1), event("v", "b", 31), event("v", "x", 2)]


def _count(folder: Path, shown: list[Row], done: list[Row]) -> LogRows:
    file, (events,) = write(folder, [*CLEAN_SHOWN, *shown], [*CLEAN_DONE, *done])
    return log_rows(file, events, target_type="audiobook", attribution_hours=24)


def _visits(count: int) -> list[Row]:
    """So many requests within the hour after noon."""
    noon = timedelta(hours=12)
    return [exposure("robot", "a", noon + timedelta(seconds=at)) for at in range(count)]


@pytest.mark.parametrize(
    ("shown", "done", "changed"),
    [
        ([], [], {}),
        ([exposure("u", "a", 0)] * 2, [], {"repeated_showings": 2}),
        ([exposure("v", "a", 0) | {"request_id": "r"}] * 2, [], {"repeated_showings": 1}),
        (
            [exposure(user, "a", 0) | {"request_id": "one"} for user in "uv"],
            [],
            {"torn_requests": 1},
        ),
        (
            [exposure("u", "a", 0, arm) | {"request_id": "one"} for arm in ("new", "old")],
            [],
            {"torn_requests": 1},
        ),
        (_visits(MOST_REQUESTS), [], {}),
        (_visits(MOST_REQUESTS + 1), [], {"busy_users": 1}),
        ([], [event("u", "a", 1)], {"repeated_events": 1}),
        ([], [event("stranger", "a", 1)], {"orphan_events": 1}),
        ([], [event("u", "a", 23)], {}),
        ([], [event("u", "a", 24)], {"late_starts": 1}),
        ([exposure("u", "a", 20)], [event("u", "a", 24)], {}),
        ([], [event("u", "a", 24, signal="like")], {}),
    ],
)
def test_odd_rows_are_counted(
    shown: list[Row], done: list[Row], changed: dict[str, int], tmp_path: Path
) -> None:
    expected = {
        "showings": len(CLEAN_SHOWN) + len(shown),
        "repeated_showings": 0,
        "torn_requests": 0,
        "busy_users": 0,
        "events": len(CLEAN_DONE) + len(done),
        "repeated_events": 0,
        "orphan_events": 0,
        "late_starts": 0,
    }
    assert _count(tmp_path, shown, done) == LogRows(**(expected | changed))
