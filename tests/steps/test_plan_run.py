"""What a scheduler writes is a cut, and a model that is there already measures nothing it saw."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from colisten.data.moments import parse_moment
from colisten.errors import ConfigError
from colisten.settings.tree import Settings
from colisten.steps.plan_run import Planned, plan_run
from colisten.steps.workflow import Window
from tests.conftest import CUT

DAYS = 30


def planned(source: Path, cut: str, scheduled: str = "", trained_until: str = "") -> Planned:
    return plan_run(source, cut, scheduled, DAYS, trained_until, data=Settings().data)


@pytest.mark.parametrize(
    "written",
    [
        CUT.date().isoformat(),
        CUT.isoformat(),
        f"{CUT:%Y-%m-%dT%H:%M:%SZ}",
        f"{CUT:%Y%m%d%H%M%S}",
        f"{CUT + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}+02:00",
    ],
)
def test_a_cut_is_read_as_people_and_schedulers_write_it(tiny_source: Path, written: str) -> None:
    found = planned(tiny_source, written)
    assert found.moment.value == CUT.isoformat()
    assert found.backtest_cut.value == (CUT - timedelta(days=DAYS)).isoformat()
    assert found.source_digest.value == Window(tiny_source, CUT, DAYS).digest()


@pytest.mark.parametrize("macro", ["[[ScheduledTime]]", "[[CurrentTime.2006-01-02]]"])
def test_a_macro_that_nobody_filled_in_is_the_moment_the_run_was_due(
    tiny_source: Path, macro: str
) -> None:
    due = f"{CUT:%Y-%m-%dT%H:%M:%SZ}"
    assert planned(tiny_source, macro, due).moment.value == CUT.isoformat()
    # A run that nothing scheduled has no such moment.
    for unknown in ("", "1970-01-01T00:00:00Z"):
        with pytest.raises(ConfigError, match="cut"):
            planned(tiny_source, macro, unknown)


def test_what_a_model_has_seen_measures_nothing_that_is_made_of_it(tiny_source: Path) -> None:
    week = CUT - timedelta(days=7)
    for until, early in (
        (CUT - timedelta(days=60), CUT - timedelta(days=DAYS)),
        (week, week),
        (CUT + timedelta(days=1), CUT),
    ):
        found = planned(tiny_source, CUT.isoformat(), trained_until=until.isoformat())
        assert parse_moment(found.backtest_cut.value, "") == early


def test_the_digits_of_a_scheduler_are_utc_and_no_event_s_time() -> None:
    assert parse_moment("20250616020000", "--cut").isoformat() == "2025-06-16T02:00:00+00:00"
    with pytest.raises(ConfigError, match="no time zone"):
        parse_moment("20250616020000", "timestamp", zone_needed=True)
    for wrong in ("20251316020000", "20250616250000", "2025061602000", "202506160200001"):
        with pytest.raises(ConfigError, match="no moment"):
            parse_moment(wrong, "--cut")
