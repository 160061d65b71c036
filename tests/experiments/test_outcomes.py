"""Which streams an exposure causes, and that its files are checked like any table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from colisten.data import violations
from colisten.data.contract import EXPOSURES, INTERACTIONS, ITEMS
from colisten.data.violation import Violation
from colisten.errors import ColistenError, ConfigError, ReportError, TableError
from colisten.experiments.outcomes import user_outcomes

START = datetime(2025, 6, 1, tzinfo=UTC)
Row = dict[str, Any]


def exposure(user: str, item: str, at: timedelta | int, variant: str = "popularity") -> Row:
    moment = START + (timedelta(hours=at) if isinstance(at, int) else at)
    return {
        "request_id": f"{user}-{moment.isoformat()}",
        "user_id": user,
        "variant": variant,
        "release_id": "r1",
        "surface": "home",
        "item_id": item,
        "position": 1,
        "timestamp": moment,
    }


def event(user: str, item: str, at: timedelta | int, signal: str = "stream") -> Row:
    moment = START + (timedelta(hours=at) if isinstance(at, int) else at)
    return {
        "user_id": user,
        "item_id": item,
        "item_type": "audiobook",
        "signal": signal,
        "timestamp": moment,
    }


def write(folder: Path, exposures: list[Row], *events: list[Row]) -> tuple[Path, list[Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    shown = folder / "exposures.parquet"
    pq.write_table(pa.Table.from_pylist(exposures, EXPOSURES.schema), shown)
    files = [folder / f"interactions{number}.parquet" for number in range(len(events))]
    for rows, file in zip(events, files, strict=True):
        pq.write_table(pa.Table.from_pylist(rows, INTERACTIONS.schema), file)
    return shown, files


def outcomes(
    folder: Path, exposures: list[Row], *events: list[Row], hours: float = 24
) -> list[Row]:
    shown, files = write(folder, exposures, *events)
    table = user_outcomes(shown, files, target_type="audiobook", attribution_hours=hours)
    return [dict(row) for row in table.to_pylist()]


def counted(rows: Iterable[Row]) -> list[tuple[int, int]]:
    return [(row["streams"], row["new_starts"]) for row in rows]


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
    assert counted(outcomes(tmp_path, shown, events)) == [(2, 1), (0, 0)]


@pytest.mark.parametrize(
    ("streamed", "expected"),
    [
        ([1], (1, 1)),
        ([241], (1, 1)),  # after the second showing alone
        ([1, 241], (2, 1)),
        ([100, 241], (1, 0)),  # started between the two, by itself
        ([-50, 1], (1, 0)),  # known before
        ([-50], (0, 0)),
        ([100], (0, 0)),
        ([264], (0, 0)),  # exactly as many hours after as count no more
    ],
)
def test_every_showing_opens_a_window(
    streamed: list[int], expected: tuple[int, int], tmp_path: Path
) -> None:
    shown = [exposure("u1", "a", 0), exposure("u1", "a", 240)]
    before = [event("u1", "a", hour) for hour in streamed if hour < 0]
    during = [event("u1", "a", hour) for hour in streamed if hour >= 0]
    assert counted(outcomes(tmp_path, shown, before, during)) == [expected]


def test_overlapping_windows_and_repeated_rows_count_once(tmp_path: Path) -> None:
    shown = [exposure("u1", "a", hour) for hour in (0, 1, 2, 2)]
    events = [event("u1", "a", 3)] * 3
    assert counted(outcomes(tmp_path, shown, events, events)) == [(1, 1)]


@pytest.mark.parametrize(
    ("shown", "streamed", "counts"),
    [
        (400_000, 0, True),  # the stream's moment lost its fraction of a second
        (999_999, 0, True),
        (1_000_000, 0, False),
        (1_000_400, 1_000_000, True),
        (400_700, 400_000, True),  # its fraction of a millisecond
        (401_000, 400_000, False),
        (400_700, 400_001, False),  # kept to the microsecond: it came before
    ],
)
def test_a_stream_counts_within_the_resolution_of_its_own_clock(
    shown: int, streamed: int, counts: bool, tmp_path: Path
) -> None:
    rows = outcomes(
        tmp_path,
        [exposure("u1", "a", timedelta(microseconds=shown))],
        [event("u1", "a", timedelta(microseconds=streamed))],
    )
    assert counted(rows) == [(counts, counts)]


WINDOW = timedelta(hours=2)
# Few users and items, moments on and just beside the ends of windows: collisions are the rule.
_MOMENTS = st.builds(
    lambda hours, off: timedelta(hours=hours, microseconds=off),
    st.integers(-1, 4),
    st.sampled_from([-1_000_000, -1_000, -1, 0, 0, 1, 400, 1_000, 400_000, 999_999]),
)
_KEYS = (st.sampled_from("uvwxyz"), st.just("a") | st.just("b"))


# Shrinking would write files for minutes; the draws are small as they are.
@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    shown=st.lists(st.tuples(*_KEYS, _MOMENTS), min_size=20, max_size=60),
    streamed=st.lists(st.tuples(*_KEYS, _MOMENTS), min_size=40, max_size=120),
)
def test_counts_are_those_of_the_definition(
    shown: list[tuple[str, str, timedelta]], streamed: list[tuple[str, str, timedelta]]
) -> None:
    with TemporaryDirectory() as folder:
        rows = outcomes(
            Path(folder),
            [exposure(*each) for each in shown],
            [event(*each) for each in streamed[::2]],
            [event(*each) for each in streamed[1::2]],
            hours=2,
        )
    assert {row["user_id"]: (row["streams"], row["new_starts"]) for row in rows} == _defined(
        shown, streamed
    )


def _defined(
    shown: list[tuple[str, str, timedelta]], streamed: list[tuple[str, str, timedelta]]
) -> dict[str, tuple[int, int]]:
    """Each stream against each showing, as the definition says it."""
    first: dict[tuple[str, str], timedelta] = {}
    for user, item, at in streamed:
        first[user, item] = min(at, first.get((user, item), at))
    streams: dict[str, int] = defaultdict(int)
    starts: dict[str, int] = defaultdict(int)
    for user, item, at in set(streamed):
        grain = next(
            step for step in (1_000_000, 1_000, 1) if not at % timedelta(microseconds=step)
        )
        moments = [moment for who, what, moment in shown if (who, what) == (user, item)]
        if any(
            moment - moment % timedelta(microseconds=grain) <= at < moment + WINDOW
            for moment in moments
        ):
            streams[user] += 1
            starts[user] += at == first[user, item]
    return {user: (streams[user], starts[user]) for user in {user for user, *_ in shown}}


def test_files_may_count_time_in_different_units(tmp_path: Path) -> None:
    shown, files = write(tmp_path, [exposure("u1", "a", 0)], [event("u1", "a", 1)], [])
    for file, rows in ((shown, [exposure("u1", "a", 0)]), (files[1], [event("u1", "a", 2)])):
        table = pa.Table.from_pylist(rows)
        at = table.schema.get_field_index("timestamp")
        nanoseconds = table["timestamp"].cast(pa.timestamp("ns", tz="UTC"))
        pq.write_table(table.set_column(at, "timestamp", nanoseconds), file)
    rows = user_outcomes(shown, files, target_type="audiobook").to_pylist()
    assert counted(rows) == [(2, 1)]


def test_no_exposures_and_no_interactions_are_errors(tmp_path: Path) -> None:
    shown, files = write(tmp_path, [], [event("u", "a", 0)])
    with pytest.raises(ReportError, match="No exposures"):
        user_outcomes(shown, files, target_type="audiobook")
    with pytest.raises(ReportError, match="No interactions"):
        user_outcomes(shown, [], target_type="audiobook")


def test_nobody_who_did_anything_is_no_error(tmp_path: Path) -> None:
    assert counted(outcomes(tmp_path, [exposure("u", "a", 0)], [])) == [(0, 0)]


@pytest.mark.parametrize(
    "hours",
    [0, -1, float("nan"), float("inf"), 10**9, 10**400, -(10**400), True, "72", None],
    ids=lambda hours: str(hours)[:8],
)
def test_a_window_out_of_bounds_is_refused(hours: Any, tmp_path: Path) -> None:
    shown, files = write(tmp_path, [exposure("u", "a", 0)], [event("u", "a", 0)])
    with pytest.raises(ConfigError, match="attribution window"):
        user_outcomes(shown, files, target_type="audiobook", attribution_hours=hours)


def test_half_an_hour_is_a_window(tmp_path: Path) -> None:
    shown = [exposure("u", "a", 0)]
    events = [event("u", "a", timedelta(minutes=minute)) for minute in (29, 30)]
    assert counted(outcomes(tmp_path, shown, events, hours=0.5)) == [(1, 1)]


def test_a_target_type_is_one_of_the_known(tmp_path: Path) -> None:
    shown, files = write(tmp_path, [exposure("u", "a", 0)], [event("u", "a", 0)])
    with pytest.raises(ConfigError, match="Audiobook"):
        user_outcomes(shown, files, target_type="Audiobook")


def _with(column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(column)
        field = table.schema.field(at)
        values = [value, *table[column].to_pylist()[1:]]
        return table.set_column(at, field, pa.array(values, field.type))

    return change


def _zoneless(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("timestamp")
    return table.set_column(at, "timestamp", table["timestamp"].cast(pa.timestamp("us")))


def _without(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.drop_columns([column])


def _twice(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.append_column(column, table[column])


def _text(column: str) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(column)
        return table.set_column(at, column, pa.array(["x"] * table.num_rows))

    return change


BOTH: list[tuple[Callable[[pa.Table], pa.Table], type[Violation]]] = [
    (_zoneless, violations.TimestampWithoutZone),
    (_text("timestamp"), violations.WrongType),
    (_with("timestamp", None), violations.NullTimestamp),
    (_with("timestamp", datetime(2100, 1, 1, tzinfo=UTC)), violations.FutureTimestamp),
    (_with("timestamp", datetime(1970, 1, 1, tzinfo=UTC)), violations.EarlyTimestamp),
    (_with("user_id", None), violations.NullId),
    (_with("item_id", " "), violations.BlankId),
    (_without("timestamp"), violations.ColumnMissing),
    (_twice("user_id"), violations.ColumnTwice),
]
SHOWN = [
    *BOTH,
    (_with("variant", None), violations.NullId),
    (_with("variant", ""), violations.BlankId),
    (_without("variant"), violations.ColumnMissing),
    (_with("request_id", None), violations.NullId),
    (_with("position", 0), violations.PositionOutOfRange),
    (_text("position"), violations.WrongType),
]
DONE = [
    *BOTH,
    (_with("item_type", "Audiobook"), violations.UnknownItemType),
    (_with("item_type", None), violations.UnknownItemType),
    (_with("signal", "Stream"), violations.UnknownSignal),
    (_without("signal"), violations.ColumnMissing),
]


@pytest.mark.parametrize(
    ("place", "change", "violation"),
    [(0, *each) for each in SHOWN] + [(at, *each) for at in (1, 2) for each in DONE],
)
def test_every_file_is_held_to_its_contract(
    place: int, change: Callable[[pa.Table], pa.Table], violation: type[Violation], tmp_path: Path
) -> None:
    rows = [event("u", "a", 0), event("v", "a", 0)]
    shown, files = write(tmp_path, [exposure("u", "a", 0), exposure("v", "a", 0)], rows, rows)
    file = [shown, *files][place]
    pq.write_table(change(pq.ParquetFile(file).read()), file)
    with pytest.raises(TableError) as refusal:
        user_outcomes(shown, files, target_type="audiobook")
    assert [type(each) for each in refusal.value.violations] == [violation]  # type: ignore[attr-defined]
    assert str(file) in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_a_file_that_is_not_there_or_none_of_parquet_is_named(tmp_path: Path) -> None:
    shown, files = write(tmp_path, [exposure("u", "a", 0)], [event("u", "a", 0)])
    with pytest.raises(violations.TableMissing, match=r"gone\.parquet"):
        user_outcomes(shown, [*files, tmp_path / "gone.parquet"], target_type="audiobook")
    with pytest.raises(violations.TableNotAFile):
        user_outcomes(tmp_path, files, target_type="audiobook")
    files[0].write_bytes(b"no parquet")
    with pytest.raises(violations.TableUnreadable, match="interactions0"):
        user_outcomes(shown, files, target_type="audiobook")


def test_unknown_items_are_looked_for_where_there_is_a_catalogue(tmp_path: Path) -> None:
    shown, files = write(tmp_path, [exposure("u", "b", 0)], [event("u", "b", 0)])
    catalogue = tmp_path / "catalogue.parquet"
    item = {"item_id": "a", "item_type": "audiobook", "title": "A"}
    pq.write_table(pa.Table.from_pylist([item], ITEMS.schema), catalogue)
    with pytest.raises(violations.ExposureOfUnknownItem):
        user_outcomes(shown, files, target_type="audiobook", items=catalogue)
    assert user_outcomes(shown, files, target_type="audiobook").num_rows == 1


def test_now_is_the_latest_moment(tmp_path: Path) -> None:
    shown, files = write(tmp_path, [exposure("u", "a", 0)], [event("u", "a", 1)])
    with pytest.raises(violations.FutureTimestamp):
        user_outcomes(shown, files, target_type="audiobook", now=START - timedelta(days=1))


@pytest.mark.parametrize(
    "name",
    [
        *(f"{column.name}=podcast" for column in INTERACTIONS.columns),
        *(f"{column.name}=1" for column in EXPOSURES.columns),
        "a folder's [name]",
        "*?",
        "\u202eé ü",
        'quo"te',
    ],
)
def test_a_folder_s_name_changes_nothing(name: str, tmp_path: Path) -> None:
    shown, events = [exposure("u", "a", 0)], [event("u", "a", 1)]
    assert outcomes(tmp_path / name, shown, events) == outcomes(tmp_path / "plain", shown, events)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
            min_size=1,
            max_size=20,
        ).filter(lambda name: name not in (".", "..") and len(name.encode()) < 100),
        min_size=1,
        max_size=3,
    )
)
def test_nor_does_any_other(names: list[str]) -> None:
    with TemporaryDirectory() as folder:
        place = Path(folder).joinpath("in", *names)
        try:
            rows = outcomes(place, [exposure("u", "a", 0)], [event("u", "a", 1)])
        except ColistenError as error:
            pytest.fail(f"{place}: {error}")
    assert counted(rows) == [(1, 1)]


def test_slices_are_of_the_first_showing_in_utc(tmp_path: Path) -> None:
    late = timedelta(hours=23, minutes=59)
    shown = [
        exposure("u", "a", timedelta(days=2)) | {"surface": "search"},
        exposure("u", "a", late),
        exposure("nobody", "a", timedelta(days=1)) | {"surface": None},
    ]
    file, files = write(tmp_path, shown, [])
    users = pa.table({"user_id": ["u"], "country": ["SE"], "age": pa.nulls(1, pa.float32())})
    pq.write_table(users, tmp_path / "users.parquet")
    read = user_outcomes(
        file, files, target_type="audiobook", users=tmp_path / "users.parquet"
    ).select(["user_id", "day", "surface", "country"])
    assert read.to_pylist() == [
        {"user_id": "nobody", "day": "2025-06-02", "surface": None, "country": None},
        {"user_id": "u", "day": "2025-06-01", "surface": "home", "country": "SE"},
    ]
