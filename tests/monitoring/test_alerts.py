"""A rule fires where its figure is over the threshold, and wherever nobody can tell."""

from __future__ import annotations

import operator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.monitoring.alerts import Alert, check_alerts, judge
from colisten.monitoring.runs import ReportRun
from colisten.settings.alerts import DEFAULT_RULES, AlertRule, AlertRules
from tests.monitoring.reports_made import START, drift_figures, write_report

HOLDS = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
NUMBERS = st.sampled_from([-1.0, 0.0, 0.5, 1.0])


def run(figures: dict[str, Any] | None, day: int = 0) -> ReportRun:
    return ReportRun("drift", str(day), START + timedelta(days=day), figures, fault="torn")


def rule(**more: Any) -> AlertRule:
    return AlertRule(**{"name": "rule", "figure": "x", "threshold": 0.5, **more})


@given(
    values=st.lists(NUMBERS | st.none(), min_size=1, max_size=6),
    comparison=st.sampled_from(sorted(HOLDS)),
    threshold=NUMBERS,
    runs=st.integers(1, 4),
)
def test_it_fires_after_so_many_reports_in_a_row(
    values: list[float | None], comparison: str, threshold: float, runs: int
) -> None:
    asked = rule(comparison=comparison, threshold=threshold, runs=runs)
    alert = judge(asked, [run({"x": value}, -at) for at, value in enumerate(values)])
    holds = [value is None or HOLDS[comparison](value, threshold) for value in values]
    in_a_row = holds.index(False) if False in holds else len(holds)
    if values[0] is None:
        assert alert.state == "firing"
    elif in_a_row == 0:
        assert alert.state == "quiet"
    else:
        assert alert.state == ("firing" if in_a_row >= runs else "pending")
        assert alert.runs == in_a_row
        assert alert.since == (START - timedelta(days=in_a_row - 1)).isoformat()


@pytest.mark.parametrize(
    "figures",
    [None, {}, {"x": None}, {"x": "0.1"}, {"x": True}, {"y": 0.1}],
    ids=["unreadable", "empty", "undefined", "text", "truth", "other"],
)
def test_what_cannot_be_compared_fires_at_once(figures: dict[str, Any] | None) -> None:
    assert judge(rule(runs=5), [run(figures), run({"x": 0.0}, -1)]).fires


def test_a_report_that_is_not_there_fires_unless_nobody_needs_it() -> None:
    assert judge(rule(), []).fires
    assert not judge(rule(needed=False), []).fires


def test_one_of_several_is_enough_and_none_of_none_is_quiet() -> None:
    asked = rule(figure="causes.*.cause", comparison="in", threshold=("nulls", "skew"))
    quiet, other, held = (
        judge(asked, [run(drift_figures(0, *causes))])
        for causes in ((), ("taste",), ("taste", "skew"))
    )
    assert (quiet.state, other.state, held.state) == ("quiet", "quiet", "firing")
    assert held.value == "skew"


def checked(home: Path, day: float, rules: AlertRules = DEFAULT_RULES) -> dict[str, Alert]:
    alerts = check_alerts(home, rules, START + timedelta(days=day))
    return {alert.name: alert for alert in alerts}


def test_silence_means_that_somebody_looked(tmp_path: Path) -> None:
    assert {name for name, one in checked(tmp_path, 0).items() if one.fires} == {
        *("drift_stale", "drift_of_inputs", "drift", "drift_unjudged"),
    }
    write_report(tmp_path, drift_figures(0))
    assert not [one for one in checked(tmp_path, 1).values() if one.fires]
    # Nothing else happens, and the days go by.
    assert [name for name, one in checked(tmp_path, 9.5).items() if one.fires] == ["drift_stale"]
    # Nor is a window that is still to end any news.
    assert checked(tmp_path, -2)["drift_stale"].fires
    (tmp_path / "reports" / "drift.json").write_text("{")
    assert all(one.fires for one in checked(tmp_path, 1).values() if one.report == "drift")


def test_a_report_without_a_moment_is_too_old(tmp_path: Path) -> None:
    write_report(tmp_path, {**drift_figures(0), "until": None})
    assert checked(tmp_path, 0)["drift_stale"].fires


def test_the_rules_to_start_from_tell_a_broken_input_from_another_taste(tmp_path: Path) -> None:
    write_report(tmp_path, drift_figures(0, "nulls"))
    assert checked(tmp_path, 0)["drift_of_inputs"].severity == "page"
    assert checked(tmp_path, 0)["drift_of_inputs"].fires
    write_report(tmp_path, drift_figures(1, "taste"))
    assert not checked(tmp_path, 1)["drift_of_inputs"].fires
    assert checked(tmp_path, 1)["drift"].fires


@pytest.mark.parametrize(
    ("report", "figures", "name"),
    [
        ("experiment", {"split_is_sound": False}, "experiment_split"),
        ("gate", {"passed": False}, "gate"),
    ],
)
def test_other_reports_have_rules_as_well(
    tmp_path: Path, report: Any, figures: dict[str, Any], name: str
) -> None:
    write_report(tmp_path, figures, report)
    assert checked(tmp_path, 0)[name].fires
    write_report(tmp_path, dict.fromkeys(figures, True), report)
    assert not checked(tmp_path, 0)[name].fires
