from __future__ import annotations

import json
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from colisten.cli.check import check
from colisten.data import parquet, violations
from colisten.data.checks import check_tables
from colisten.data.moments import CLOCK_SKEW
from colisten.data.prepare import prepare_tables
from colisten.data.violation import TableViolations, Violation
from colisten.errors import ConfigError, TableError
from colisten.files import folder_digests
from colisten.logs import configure_logs
from colisten.settings.engine import Engine
from tests.conftest import CUT
from tests.data.broken import CASES, FUTURE, NAN, Case
from tests.data.sources import copy_source, drop, put, recast, replace


@pytest.fixture(scope="session")
def app() -> typer.Typer:
    configure_logs("warning")
    app = typer.Typer()
    app.command()(check)
    return app


@pytest.fixture
def folder(tiny_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return copy_source(tiny_source, tmp_path / "source")


def _violation_of(folder: Path) -> Violation:
    with pytest.raises(Violation) as raised:
        check_tables(folder)
    return raised.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_every_violation_has_its_own_error_and_exit_code_2(
    case: Case, folder: Path, app: typer.Typer
) -> None:
    case.spoil(folder)
    before = folder_digests(folder.parent)

    violation = _violation_of(folder)
    assert type(violation) is case.violation
    assert violation.place == case.place
    assert violation.count == case.count
    if case.first:
        assert tuple(row.number for row in violation.rows) == case.first
    assert violation.place in str(violation)
    assert case.says in str(violation)
    assert violation.do
    assert violation.do in str(violation)

    answer = CliRunner().invoke(app, [str(folder)])
    if case.violation is violations.TableNotAFile:
        assert answer.exit_code == 0, "the command puts parts together"
        return
    assert answer.exit_code == 2
    assert violation.kind in answer.stderr
    assert "1 violation; nothing was written." in answer.stderr
    assert folder_digests(folder.parent) == before


def test_the_cases_cover_the_tree() -> None:
    classes = {
        value
        for value in vars(violations).values()
        if isinstance(value, type) and issubclass(value, Violation) and value is not Violation
    }
    elsewhere = {
        violations.CutAfterData,
        violations.FolderMissing,
        violations.NoHistory,
        violations.NobodyStarted,
        violations.NobodyMeasured,
    }
    assert {case.violation for case in CASES} == classes - elsewhere
    for violation in classes | {Violation, TableViolations}:
        assert f"── {violation.__name__} " in str(violations.__doc__)


def test_a_missing_folder(tmp_path: Path, app: typer.Typer) -> None:
    with pytest.raises(violations.FolderMissing, match="nowhere is not a folder"):
        check_tables(tmp_path / "nowhere")
    assert CliRunner().invoke(app, [str(tmp_path / "nowhere")]).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_several_violations_come_together_in_table_order(folder: Path, app: typer.Typer) -> None:
    put(folder, "interactions", "signal", {1: "like"})
    put(folder, "interactions", "item_id", {1: "nope"})
    put(folder, "users", "age", {0: 200.0})
    drop(folder, "items", "title")
    with pytest.raises(TableViolations) as raised:
        check_tables(folder)
    assert [violation.kind for violation in raised.value.violations] == [
        "ColumnMissing",
        "AgeOutOfRange",
        "UnknownSignal",
        "InteractionWithUnknownItem",
    ]
    assert str(raised.value).count("\n") == 4
    assert raised.value.exit_code == 2

    answer = CliRunner().invoke(app, [str(folder), "--json"])
    assert answer.exit_code == 2
    told = json.loads(answer.stdout)
    assert told["ok"] is False
    assert told["violations"][2]["rows"][0]["row"] == 1
    assert told["violations"][2]["rows"][0]["signal"] == "like"


def test_a_broken_column_hides_no_other_violation(folder: Path) -> None:
    recast(folder, "interactions", "timestamp", pa.timestamp("us"))
    put(folder, "interactions", "user_id", {5: None})
    with pytest.raises(TableViolations) as raised:
        check_tables(folder)
    zone, null = raised.value.violations
    assert isinstance(zone, violations.TimestampWithoutZone)
    assert isinstance(null, violations.NullId)
    assert "timestamp" not in null.rows[0].values


def test_now_is_the_border_of_the_future(folder: Path) -> None:
    last = max(pq.read_table(folder / "interactions.parquet").column("timestamp").to_pylist())
    assert check_tables(folder, now=last - CLOCK_SKEW).last == last
    with pytest.raises(violations.FutureTimestamp):
        check_tables(folder, now=last - CLOCK_SKEW - timedelta(microseconds=1))
    with pytest.raises(TableError, match="no time zone"):
        check_tables(folder, now=datetime(2026, 1, 1))


def test_the_report_counts_what_is_there(folder: Path, app: typer.Typer) -> None:
    events = pq.read_table(folder / "interactions.parquet")
    report = check_tables(folder)
    assert report.rows["interactions"] == events.num_rows
    assert report.items == {"audiobook": 40, "podcast": 60}
    assert report.listeners == 80
    assert sum(report.signals.values()) == sum(report.interactions.values()) == events.num_rows
    assert report.first == min(events.column("timestamp").to_pylist())
    assert report.last == max(events.column("timestamp").to_pylist())
    assert report.missing["users.age"] == pytest.approx(12 / 80)
    assert report.missing["users.country"] == pytest.approx(26 / 80)
    assert report.missing["audiobook.title"] == 0.0
    assert report.music_dim == 4
    assert report.notices == ()

    answer = CliRunner().invoke(app, [str(folder), "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["report"] == json.loads(json.dumps(report.to_dict()))
    answer = CliRunner().invoke(app, [str(folder)])
    assert answer.exit_code == 0
    assert "40 audiobook, 60 podcast" in answer.stdout


def test_sparse_tables_are_sound_and_said_to_be_sparse(folder: Path) -> None:
    for table in ("users", "music", "links", "exposures"):
        (folder / f"{table}.parquet").unlink()
    drop(folder, "items", "description", "genres", "published_at")
    replace(folder, "items", "language", pa.nulls(100))
    titles = pq.read_table(folder / "items.parquet").column("title").to_pylist()
    replace(folder, "items", "title", pa.array([*titles[:40], *([" ", None] * 30)]))
    rows = pq.read_metadata(folder / "interactions.parquet").num_rows
    replace(folder, "interactions", "signal", pa.array(["stream"] * rows))
    days = pq.read_table(folder / "interactions.parquet").column("timestamp")
    replace(
        folder,
        "interactions",
        "timestamp",
        days.cast(pa.date32()).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")),
    )
    report = check_tables(folder)
    assert "users" not in report.rows
    assert report.missing["podcast.title"] == 1.0
    assert report.missing["audiobook.title"] == 0.0
    told = "\n".join(report.notices)
    for words in (
        "No users table",
        "No music vectors",
        "No podcast has any text",
        "No audiobook has a description",
        "No item says its language",
        "No item says its genres",
        "One signal only: stream",
        "midnight",
    ):
        assert words in told


def test_whatever_arrow_writes_is_read(tiny_source: Path, tmp_path: Path) -> None:
    folder = copy_source(tiny_source, tmp_path / "od[d] *'?" / "day=1")
    plain = check_tables(folder)
    recast(folder, "items", "item_id", pa.dictionary(pa.int32(), pa.string()))
    recast(folder, "items", "title", pa.large_string())
    recast(folder, "items", "language", pa.string_view())
    recast(folder, "items", "genres", pa.large_list(pa.large_string()))
    recast(folder, "items", "published_at", pa.timestamp("s", "Europe/Stockholm"))
    recast(folder, "interactions", "timestamp", pa.timestamp("ns", "America/New_York"))
    recast(folder, "music", "timestamp", pa.timestamp("ms", "UTC"))
    recast(folder, "music", "music_vector", pa.list_(pa.float64(), 4))
    recast(folder, "users", "age", pa.int8())
    recast(folder, "exposures", "position", pa.uint64())
    file = folder / "items.parquet"
    items = parquet.read(file)
    for name, values in (
        ("Title", pa.array(["other"] * 100)),
        ("file_row_number", pa.array(range(100))),
        ("price", pa.array([1] * 100).cast(pa.decimal256(60, 2))),
    ):
        items = items.add_column(0, name, values)
    pq.write_table(items, file)
    report = check_tables(folder)
    assert changed(report, notices=()) == changed(plain, notices=())
    assert all("'Title' is not read" in notice for notice in report.notices)


def test_row_numbers_hold_where_a_column_takes_their_name(folder: Path) -> None:
    file = folder / "users.parquet"
    users = pq.read_table(file)
    pq.write_table(users.append_column("file_row_number", pa.array([7] * 80)), file)
    put(folder, "users", "age", {33: -2.0})
    assert [row.number for row in _violation_of(folder).rows] == [33]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()], ids=str)
@pytest.mark.parametrize("others", [NAN, 31.0, 0.0, None], ids=str)
def test_nan_is_an_unknown_age_whatever_stands_beside_it(
    folder: Path, kind: pa.DataType, others: float | None
) -> None:
    # A file's statistics leave NaN out, and DuckDB believes them where a column has no null.
    replace(folder, "users", "age", pa.array([NAN, others] * 40).cast(kind))
    known = others is not None and others == others
    assert check_tables(folder).missing["users.age"] == (0.5 if known else 1.0)
    prepare_tables(folder, folder / "out", cut=CUT, window_days=14)
    ages = pq.read_table(folder / "out" / "history" / "users.parquet").column("age").to_pylist()
    assert {age for age in ages if age is not None} == ({others} if known else set())


def test_a_publishing_date_may_lie_ahead_or_far_back(folder: Path) -> None:
    put(folder, "items", "published_at", {0: FUTURE, 1: datetime(1925, 1, 1, tzinfo=UTC)})
    assert check_tables(folder).items["audiobook"] == 40


def test_an_impossible_memory_limit_is_a_setting_at_violation(tiny_source: Path) -> None:
    with pytest.raises(ConfigError, match="memory_limit=plenty"):
        check_tables(tiny_source, engine=Engine(memory_limit="plenty"))


def test_messages_stay_short(folder: Path) -> None:
    put(folder, "interactions", "signal", dict.fromkeys(range(9), "x" * 5000))
    violation = _violation_of(folder)
    assert len(violation.rows) == 5
    assert len(str(violation)) < 2000
