"""Each fault is found and named by its cause; quiet weeks are quiet.

A few weeks of one world each; `benchmarks/drift_causes.py` has 52 weeks of five and 20 seeds.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift_plants import PLANTS, Week
from benchmarks.drift_worlds import Texts, World
from colisten.json_files import read_mapping
from colisten.monitoring.checks import table_checks
from colisten.monitoring.diagnosis import causes_of, judged_by, paragraph, verdict_of
from colisten.monitoring.drift import moved_names, write_drift
from colisten.monitoring.limits import ENOUGH, level, trend
from colisten.monitoring.profile import ColumnProfile, WindowProfile

WEEKS = 9


class Past:
    """A world after quiet weeks, and their profiles."""

    def __init__(self) -> None:
        self.world, self.texts = World(7), Texts(7)
        self.earlier: list[WindowProfile] = []
        for _ in range(WEEKS):
            week = Week.of(self.world, self.texts, 7)
            now = week.profile()
            # From the first week on: fixed limits are quiet too.
            assert moved_names(week.checks(self.earlier, now)) == ()
            self.earlier.append(now)


@pytest.fixture(scope="module")
def past() -> Past:
    return Past()


@pytest.mark.parametrize("name", PLANTS)
def test_a_fault_is_named_first(past: Past, name: str) -> None:
    week = Week.of(deepcopy(past.world), past.texts, 7)
    plant, cause, _ = PLANTS[name]
    plant(week)
    causes = causes_of(week.checks(past.earlier, week.profile()))
    assert [one.cause for one in causes[:1]] == [cause]
    assert causes[0].do


def test_a_column_and_a_category_that_go_are_named(past: Past) -> None:
    week = Week.of(deepcopy(past.world), past.texts, 7)
    week.frame = week.frame[week.frame["country"] != "MX"].drop(columns="age")
    week.table = week.table.drop(columns="age")
    week.served = week.frame.copy()
    causes = causes_of(week.checks(past.earlier, week.profile()))
    by = {one.cause: one.of for one in causes}
    assert causes[0].cause == "column"
    assert set(by["column"]) == {"age", "users.age"}
    assert by["categories"] == ("country=MX",)


def test_a_category_that_comes_is_named(past: Past) -> None:
    week = Week.of(deepcopy(past.world), past.texts, 7)
    week.frame.loc[week.frame.index[: len(week.frame) // 20], "country"] = "<b>NO</b>"
    by = {one.cause: one.of for one in causes_of(week.checks(past.earlier, week.profile()))}
    assert by["categories"] == ("country=<b>NO</b>",)


def test_the_report_says_it_in_its_first_paragraph_and_since_when(
    past: Past, tmp_path: Path
) -> None:
    page, world = tmp_path / "drift.html", deepcopy(past.world)
    earlier, starts = list(past.earlier), []
    for _ in range(2):
        week = Week.of(world, past.texts, 7)
        PLANTS["nulls"][0](week)
        now = week.profile().model_copy(update={"release": "r" + "0" * 32})
        report = write_drift(earlier, now, page)
        earlier.append(now.model_copy(update={"moved": moved_names(report.checks)}))
        starts.append(now.since)
    figures = read_mapping(page.with_suffix(".json"))
    assert figures["causes"][0]["cause"] == "nulls", "a week that moved is no measure of usual"
    assert figures["causes"][0]["since"] == starts[0].isoformat()
    for words in (f"{starts[1]:%Y-%m-%d}", f"since {starts[0]:%Y-%m-%d}", "r" + "0" * 32, "age is"):
        assert words in report.summary
    assert report.summary.split(".")[0] in page.read_text()
    assert figures["summary"] == report.summary


def test_what_stays_moved_becomes_usual(past: Past) -> None:
    world, earlier = deepcopy(past.world), list(past.earlier[-2:])
    found = []
    for _ in range(7):
        week = Week.of(world, past.texts, 7)
        PLANTS["nulls"][0](week)
        now = week.profile()
        moved = moved_names(week.checks(earlier, now))
        found.append("nulls:age" in moved)
        earlier.append(now.model_copy(update={"moved": moved}))
    assert found[:2] == [True, True]
    assert not found[-1]


def test_with_few_windows_or_few_users_it_says_that_it_cannot_judge() -> None:
    now = datetime(2025, 6, 1, tzinfo=UTC)

    def window(back: int, users: int) -> WindowProfile:
        until = now - back * timedelta(days=7)
        values = np.random.default_rng(back).normal(40, 9, users)
        return WindowProfile(
            since=until - timedelta(days=7),
            until=until,
            rows=users,
            columns={"age": ColumnProfile.of_numbers(values)},
            volume={"users": users},
        )

    few = [*table_checks([window(1, 50)], window(0, 50))]
    assert verdict_of(few) == "unknown"
    assert "Nothing can be judged yet" in paragraph(few, causes_of(few), 0)
    assert "fixed limits stand in" in judged_by(ENOUGH - 1)
    assert "learned from 8" in judged_by(ENOUGH)
    assert verdict_of([*table_checks([], window(0, 5_000))]) == "unknown"


def test_a_level_is_passed_by_less_than_one_usual_value_in_a_thousand() -> None:
    rng = np.random.default_rng(0)
    past, new = rng.normal(0, 1, (4_000, ENOUGH)), rng.normal(0, 1, 4_000)
    alarms = 0
    for row, value in zip(past.tolist(), new.tolist(), strict=True):
        limit = level(row, least=0.0, chance=0.0, fixed=0.0, rises_only=False)
        assert limit.source == "windows"
        alarms += limit.passed_by(value)
    assert alarms <= 4
    assert level(past[0, :-1].tolist(), least=0.0, chance=0.0, fixed=0.1).source == "fixed"


@pytest.mark.parametrize("growth", [0.97, 1.0, 1.05])
def test_growth_is_no_alarm_and_half_of_it_all_is(growth: float) -> None:
    rng = np.random.default_rng(1)
    counts = [5_000 * growth**week * np.exp(rng.normal(0, 0.03)) for week in range(13)]
    limit = trend(counts[:12], least=0.15, fixed=0.6)
    assert limit.source == "windows"
    assert not limit.passed_by(counts[12])
    assert limit.passed_by(counts[12] / 2)
    with_gap = [None if week == 5 else count for week, count in enumerate(counts[:12])]
    assert not trend(with_gap, least=0.15, fixed=0.6).passed_by(counts[12])
    assert trend([], least=0.1, fixed=0.6).usual is None
