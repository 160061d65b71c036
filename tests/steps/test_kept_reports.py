"""What steps leave of reports, and when an alert on one fails the pipeline."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from colisten.errors import ReportError
from colisten.json_files import read_json, write_json
from colisten.monitoring.runs import runs_of
from colisten.steps.artifacts.release import Published
from colisten.steps.kept_reports import fail_on_drift, keep_drift, keep_experiment, keep_gate
from tests.conftest import CUT
from tests.monitoring.reports_made import drift_figures


def test_each_report_is_kept_once_a_window_and_no_more_than_are_asked_for(tmp_path: Path) -> None:
    for day in (0, 1, 1, 2):
        write_json(tmp_path / "reports" / "drift.json", drift_figures(day))
        keep_drift(tmp_path, CUT + timedelta(days=day), 2)
    users = [run.figures["users"] for run in runs_of(tmp_path, "drift") if run.figures]
    assert users == [1002, 1001]


def test_an_experiment_read_twice_is_one_report(tmp_path: Path) -> None:
    page = tmp_path / "reports" / "experiment.html"
    for users in (1, 1, 2):
        write_json(page.with_suffix(".json"), {"users": users})
        keep_experiment(page, 5)
    assert len(runs_of(tmp_path, "experiment")) == 2


def test_the_gates_verdict_is_a_report(tmp_path: Path) -> None:
    published = Published("r1", promoted=False, reasons=["Unsigned."], warnings=[])
    keep_gate(tmp_path, published, True, CUT, 5)
    (run,) = runs_of(tmp_path, "gate")
    said = read_json(tmp_path / "reports" / "gate.json")
    assert run.figures == said
    assert (said["passed"], said["promoted"], said["release_id"]) == (True, False, "r1")


@pytest.mark.parametrize(
    ("figures", "gravest", "fails"),
    [
        (drift_figures(0), "ticket", False),
        (drift_figures(0, "taste"), "ticket", True),
        (drift_figures(0, "taste"), "page", False),
        (drift_figures(0, "nulls"), "page", True),
        (drift_figures(0, "nulls"), None, False),
        ({"until": None}, "page", True),
    ],
)
def test_an_alert_fails_the_pipeline_where_it_is_asked_to(
    tmp_path: Path, figures: dict[str, Any], gravest: Any, fails: bool
) -> None:
    write_json(tmp_path / "reports" / "drift.json", figures)
    if not fails:
        fail_on_drift(tmp_path, gravest)
        return
    with pytest.raises(ReportError, match="drift"):
        fail_on_drift(tmp_path, gravest)
