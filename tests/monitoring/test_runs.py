"""What is kept of reports: the newest, each window once, whoever else writes or breaks files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from colisten.json_files import write_json
from colisten.monitoring.runs import kept_runs, record_run, runs_of
from tests.monitoring.reports_made import START, drift_figures, write_report


@given(days=st.lists(st.integers(0, 40), min_size=1, max_size=12), keep=st.integers(1, 6))
def test_the_newest_windows_are_kept_and_each_once(
    days: list[int], keep: int, tmp_path_factory: object
) -> None:
    home: Path = tmp_path_factory.mktemp("home")  # type: ignore[attr-defined]
    for day in days:
        record_run(home, "drift", {"day": day}, keep=keep, moment=START + timedelta(days=day))
    kept = [run.figures and run.figures["day"] for run in kept_runs(home, "drift")]
    assert len(set(kept)) == len(kept) <= keep
    assert kept == sorted(kept, reverse=True)  # type: ignore[type-var]
    # One that is older than all that are kept goes at once, whatever was dropped before.
    assert kept[0] == max(days)


def test_the_reports_own_file_is_the_newest_run_whoever_wrote_it(tmp_path: Path) -> None:
    for day in range(3):
        write_report(tmp_path, drift_figures(day))
    assert [run.figures["users"] for run in runs_of(tmp_path, "drift") if run.figures] == [
        1002,
        1001,
        1000,
    ]
    write_json(tmp_path / "reports" / "drift.json", drift_figures(9))
    newest, *before = runs_of(tmp_path, "drift")
    assert newest.figures == drift_figures(9)
    assert len(before) == 3


def test_a_report_that_is_gone_has_no_runs(tmp_path: Path) -> None:
    write_report(tmp_path, drift_figures(0))
    (tmp_path / "reports" / "drift.json").unlink()
    assert runs_of(tmp_path, "drift") == []


def test_what_cannot_be_read_is_a_run_that_says_why(tmp_path: Path) -> None:
    write_report(tmp_path, drift_figures(0))
    (broken,) = (tmp_path / "reports" / "runs" / "drift").glob("*.json")
    broken.write_text('{"figures": NaN')
    (tmp_path / "reports" / "drift.json").write_text("[]")
    newest, kept = runs_of(tmp_path, "drift")
    assert (newest.figures, kept.figures) == (None, None)
    assert "drift.json" in newest.fault
    assert broken.name in kept.fault
