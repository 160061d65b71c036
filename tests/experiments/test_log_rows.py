"""Every kind of odd row that is planted is counted, and a clean log has none."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

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
    expected: dict[str, Any] = {
        "showings": len(CLEAN_SHOWN) + len(shown),
        "repeated_showings": 0,
        "torn_requests": 0,
        "busy_users": 0,
        "events": len(CLEAN_DONE) + len(done),
        "repeated_events": 0,
        "orphan_events": 0,
        "late_starts": 0,
    }
    found = asdict(_count(tmp_path, shown, done))
    assert {name: found[name] for name in expected} == expected | changed


def test_users_whose_window_is_open_at_the_last_row_are_said(tmp_path: Path) -> None:
    # The last row is v's event at hour 31.
    found = _count(tmp_path, [exposure("w", "a", 7), exposure("x", "a", 8)], [])
    assert (found.first_shown, found.last_row) == ("2025-06-01 00:00 UTC", "2025-06-02 07:00 UTC")
    assert found.open_users == 1
    assert "Starts of 'audiobook' within 24 hours of a showing" in found.said
    assert "1 users" not in found.said
    assert "1 user was first shown something less than 24 hours before that" in found.said


def test_a_log_without_events_ends_with_its_last_showing(tmp_path: Path) -> None:
    file, (events,) = write(tmp_path, [exposure("u", "a", 0)], [])
    found = log_rows(file, events, target_type="audiobook", attribution_hours=24)
    assert (found.last_row, found.open_users, found.events) == ("2025-06-01 00:00 UTC", 1, 0)
