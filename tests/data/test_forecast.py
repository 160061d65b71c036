"""What a run will find at a cut, and what looks like a slip."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from colisten.data.forecast import FEW_USERS, LATE_DAYS, Forecast, forecast_cut
from colisten.data.violations import CutAfterData, NoHistory
from tests.data.small import CUT, Event, write_small

DAY = timedelta(days=1)


def look(folder: Path, cut: datetime = CUT, days: int = 14, *, late: bool = False) -> Forecast:
    return forecast_cut(folder, cut=cut, window_days=days, k=10, allow_late_cut=late)


def crowd(users: int = 4, days: float = 13.5) -> list[Event]:
    """Users who stream a title before the cut (every second one only a podcast) and one after."""
    before = [(f"u{at}", f"{'ap'[at % 2]}{at % 5}", "stream", CUT - 9 * DAY) for at in range(users)]
    before += [("u0", "a7", "stream", CUT - 8 * DAY), ("u1", "p2", "stream", CUT - 8 * DAY)]
    after = [(f"u{at}", f"a{at % 5 + 6}", "stream", CUT + DAY) for at in range(users)]
    stranger = [("new", "a1", "stream", CUT + days * DAY)]
    return [*before, *after, *stranger]


def test_users_days_and_cold_share(tmp_path: Path) -> None:
    forecast = look(write_small(tmp_path, crowd()))
    assert (forecast.users, forecast.cold, forecast.share_cold) == (4, 2, 0.5)
    assert (forecast.measured, forecast.measured_cold) == (4, 2)
    assert (forecast.events, forecast.starts, forecast.days_inside) == (6, 3, 14)
    assert forecast.hub.share == 0.25
    assert [each for each in forecast.warnings if "Fewer than" in each]


def test_a_window_past_the_end_is_said(tmp_path: Path) -> None:
    folder = write_small(tmp_path, crowd(days=4.5))
    assert look(folder, days=5).days_inside == 5
    assert not [each for each in look(folder, days=5).warnings if "only" in each]
    forecast = look(folder, days=90)
    assert forecast.days_inside == 5
    assert any("only 5 of the 90 days" in each for each in forecast.warnings)


def test_enough_users_say_nothing_of_few(tmp_path: Path) -> None:
    forecast = look(write_small(tmp_path, crowd(FEW_USERS)))
    assert forecast.measured == FEW_USERS
    assert not [each for each in forecast.warnings if "Fewer" in each or "only" in each]


def test_a_title_that_most_have_is_named(tmp_path: Path) -> None:
    events = [*crowd(), *((f"u{at}", "p9", "stream", CUT - DAY) for at in range(3))]
    forecast = look(write_small(tmp_path, events))
    assert forecast.hub.share == 0.75
    assert any("75% of users have" in each for each in forecast.warnings)


def test_a_cut_after_the_data_goes_on_and_long_after_it_stops(tmp_path: Path) -> None:
    folder = write_small(tmp_path, crowd())
    last = CUT + 13.5 * DAY
    forecast = look(folder, last + LATE_DAYS * DAY)
    assert forecast.days_inside == 0
    assert any("90 days after the last event" in each for each in forecast.warnings)
    with pytest.raises(CutAfterData, match="366 days after the last event") as error:
        look(folder, last + 366 * DAY)
    assert error.value.exit_code == 2
    assert "--allow-late-cut" in str(error.value)
    assert look(folder, last + 366 * DAY, late=True).measured == 0


def test_a_cut_before_the_data_stops(tmp_path: Path) -> None:
    with pytest.raises(NoHistory):
        look(write_small(tmp_path, crowd()), CUT - 99 * DAY)
