"""What outcomes say of the past, of what was not shown, of hours, of fallbacks, and of dates."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.data.contract import EXPOSURES, INTERACTIONS
from colisten.data.violation import Violation
from colisten.errors import ReportError
from colisten.experiments.dates import ALWAYS, Dates
from colisten.experiments.log_rows import log_rows
from colisten.experiments.outcomes import user_outcomes
from tests.experiments.test_outcomes import START, Row, event, exposure

DAY = 24


def podcast(user: str, item: str, at: int) -> Row:
    return event(user, item, at) | {"item_type": "podcast"}


def write(folder: Path, shown: list[Row], before: list[Row], during: list[Row]) -> list[Path]:
    """Files with a column more where a row has it."""
    files = []
    for name, table, rows in (
        ("exposures", EXPOSURES, shown),
        ("history", INTERACTIONS, before),
        ("interactions", INTERACTIONS, during),
    ):
        further = {key: None for row in rows for key in row if key not in table.schema.names}
        kinds = {"quality": pa.string(), "duration_ms": pa.int64()}
        schema = pa.schema([*table.schema, *(pa.field(name, kinds[name]) for name in further)])
        files.append(folder / f"{name}.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema), files[-1])
    return files


def read(folder: Path, *rows: list[Row], dates: Dates = ALWAYS) -> dict[str, dict[str, Any]]:
    shown, before, during = write(folder, *rows)
    table = user_outcomes(
        shown, [before, during], target_type="audiobook", attribution_hours=24, dates=dates
    )
    return {row["user_id"]: row for row in table.to_pylist()}


@pytest.mark.parametrize(
    ("before", "during", "changed"),
    [
        ([], [], {}),
        ([event("u", "x", -1)], [], {"starts_before": 1, "new_starts_before": 1}),
        ([event("u", "x", -27 * DAY)], [], {"starts_before": 1, "new_starts_before": 1}),
        ([event("u", "x", -29 * DAY)], [], {}),  # too long ago
        (
            [event("u", "x", -29 * DAY), event("u", "x", -1)],  # started again, not discovered
            [],
            {"starts_before": 1},
        ),
        ([event("u", "x", -1)] * 2, [], {"starts_before": 1, "new_starts_before": 1}),
        ([event("u", "x", -1, signal="preview")], [], {}),
        (
            [podcast("u", "p", -1)],
            [podcast("u", "p", 9)],
            {
                "other_starts_before": 1,
                "other_starts": 1,
            },
        ),
        ([], [event("u", "x", 9)], {"all_new_starts": 1}),  # found without being shown
        ([], [event("u", "a", 100)], {"all_new_starts": 1}),  # long after it was shown
        ([], [event("u", "a", 1)], {"all_new_starts": 1, "new_starts": 1, "streams": 1}),
        (
            [event("u", "a", -1)],
            [event("u", "a", 1)],
            {
                "starts_before": 1,
                "new_starts_before": 1,
                "streams": 1,
            },
        ),
        ([], [event("u", "x", timedelta(0))], {"all_new_starts": 1}),  # of the showing's moment
    ],
)
def test_starts_are_of_before_or_of_after_the_first_showing(
    before: list[Row], during: list[Row], changed: dict[str, int], tmp_path: Path
) -> None:
    found = read(tmp_path, [exposure("u", "a", 0)], before, during)["u"]
    counts = (
        "streams",
        "new_starts",
        "all_new_starts",
        "other_starts",
        "starts_before",
        "new_starts_before",
        "other_starts_before",
    )
    assert {name: found[name] for name in counts} == dict.fromkeys(counts, 0) | changed


def test_history_says_what_was_known_and_days_when_what_is_new_was_started(tmp_path: Path) -> None:
    shown = [exposure(user, item, at) for user in "uvw" for item, at in (("a", 0), ("b", 48))]
    before = [event("u", "x", -90 * DAY), podcast("u", "p", -1), podcast("v", "p", -90 * DAY)]
    during = [event("w", "b", 50), event("w", "a", 1), event("w", "b", 60), event("v", "x", 1)]
    found = read(tmp_path, shown, before, during)
    assert [found[user]["history"] for user in "uvw"] == ["the type", "other types", "nothing"]
    assert sorted(found["w"]["new_start_days"]) == [0, 2]
    assert found["v"]["new_start_days"] == []
    # The last row lies 60 hours after the first showing.
    assert {row["observed_days"] for row in found.values()} == {2.5}


def test_hours_are_of_the_type_and_only_where_durations_are_known(tmp_path: Path) -> None:
    shown = [exposure("u", "a", 0), exposure("v", "a", 0)]
    listened = [event("u", "x", at) | {"duration_ms": 1_800_000} for at in (-1, 1, 2)]
    other = podcast("u", "p", 3) | {"duration_ms": 1_800_000}
    found = read(tmp_path, shown, listened[:1], [*listened[1:], listened[1], other])
    assert (found["u"]["hours"], found["u"]["hours_before"]) == (1.0, 0.5)
    assert (found["v"]["hours"], found["v"]["hours_before"]) == (0.0, 0.0)
    assert "hours" not in read(tmp_path, shown, [], [event("u", "x", 1)])["u"]


def test_fallbacks_are_requests_and_only_where_their_worth_is_known(tmp_path: Path) -> None:
    def row(item: str, at: int, quality: str | None) -> Row:
        return exposure("u", item, at) | {"quality": quality}

    shown = [row("a", 0, "popular"), row("b", 0, "popular"), row("a", 1, "personal")]
    found = read(tmp_path, [*shown, row("a", 2, None)], [], [])["u"]
    assert (found["fallbacks"], found["known_requests"], found["requests"]) == (1, 2, 3)
    assert "fallbacks" not in read(tmp_path, [exposure("u", "a", 0)], [], [])["u"]


def test_an_empty_shelf_is_a_request_without_anything_shown(tmp_path: Path) -> None:
    def empty(user: str, at: int) -> Row:
        return exposure(user, "", at) | {"item_id": None, "position": None, "quality": "empty"}

    shown = [empty("u", 0), exposure("u", "a", 5) | {"quality": "personal"}, empty("v", 0)]
    found = read(tmp_path, shown, [], [event("u", "a", 1), event("u", "b", 2), event("v", "a", 1)])
    row = found["u"]
    assert (row["empty_shelves"], row["known_requests"], row["fallbacks"]) == (1, 2, 0)
    assert (row["streams"], row["all_new_starts"]) == (0, 2)  # from the empty one on
    assert found["v"]["empty_shelves"] == 1
    assert (found["v"]["streams"], found["v"]["all_new_starts"]) == (0, 1)


@pytest.mark.parametrize("wrong", ["item_id", "position"])
def test_nothing_is_shown_only_where_a_shelf_is_said_to_be_empty(
    tmp_path: Path, wrong: str
) -> None:
    row = exposure("u", "a", 0) | {wrong: None, "quality": "personal"}
    with pytest.raises(Violation, match=wrong):
        read(tmp_path, [row], [], [])


def test_rows_at_other_dates_count_nowhere(tmp_path: Path) -> None:
    def on(day: int) -> datetime:
        return START + timedelta(days=day)

    shown = [exposure("early", "a", 0), *(exposure("u", "a", day * DAY) for day in (0, 2, 9))]
    done = [event("u", "a", 50), event("u", "x", 9 * DAY)]
    dates = Dates(on(1), on(5))
    found = read(tmp_path, shown, [event("u", "y", 3)], done, dates=dates)
    assert list(found) == ["u"]
    row = found["u"]
    assert (row["first"], row["day"]) == (int(on(2).timestamp() * 1e6), "2025-06-03")
    assert (row["requests"], row["streams"], row["all_new_starts"]) == (1, 1, 1)
    assert row["starts_before"] == 1
    assert row["observed_days"] == 3.0  # to the end, which lies before the last row
    files = tmp_path / "exposures.parquet", tmp_path / "interactions.parquet"
    rows = log_rows(*files, target_type="audiobook", attribution_hours=24, dates=dates)
    assert (rows.showings, rows.other_showings, rows.open_users) == (4, 3, 0)
    assert (rows.first_shown, rows.last_row) == ("2025-06-03 00:00 UTC", "2025-06-06 00:00 UTC")
    with pytest.raises(ReportError, match="from 2025-07-01 00:00 UTC"):
        read(tmp_path, shown, [], done, dates=Dates(on(30)))


def test_a_worth_of_another_type_is_refused_by_name(tmp_path: Path) -> None:
    shown, before, during = write(tmp_path, [exposure("u", "a", 0)], [], [])
    table = pq.read_table(shown)
    pq.write_table(table.append_column("quality", pa.array([3])), shown)
    with pytest.raises(Violation, match="quality"):
        user_outcomes(shown, [before, during], target_type="audiobook")
