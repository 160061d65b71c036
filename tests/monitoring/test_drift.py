from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from colisten.errors import ReportError
from colisten.monitoring.drift import drift_report
from tests.monitoring.chromium import page_text


def users(seed: int, shift: float = 0.0, rows: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(35 + shift, 8, rows),
            "events": rng.poisson(6, rows).astype(float),
            "country": rng.choice(["SE", "DE"], rows),
            "nothing": np.full(rows, np.nan),
            "constant": np.ones(rows),
        }
    )


def test_a_planted_shift_is_found_and_nothing_else(tmp_path: Path) -> None:
    report = drift_report(users(0), users(1, shift=10), tmp_path / "drift.html")
    assert report.drifted == ("age",)
    assert report.left_out == ("nothing",)
    assert set(report.columns) == {"age", "events", "country", "constant"}
    assert json.loads((tmp_path / "drift.json").read_text())["drifted"] == ["age"]


def test_like_windows_do_not_drift(tmp_path: Path) -> None:
    assert drift_report(users(0), users(1), tmp_path / "drift.html").drifted == ()


def test_windows_without_anything_are_an_error_and_one_alone_is_the_finding(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="Neither window has any rows"):
        drift_report(users(0).iloc[:0], users(1).iloc[:0], tmp_path / "drift.html")
    assert list(tmp_path.iterdir()) == []
    report = drift_report(users(0), users(1).iloc[:0], tmp_path / "drift.html")
    assert (report.verdict, report.causes[0].cause) == ("moved", "volume")


def test_a_column_that_is_gone_is_named(tmp_path: Path) -> None:
    report = drift_report(users(0), users(1).drop(columns="age"), tmp_path / "drift.html")
    assert (report.causes[0].cause, report.causes[0].of) == ("column", ("age",))
    assert "age has no value left" in report.summary.lower()


@pytest.mark.slow
def test_the_page_opens_offline(tmp_path: Path) -> None:
    drift_report(users(0), users(1, shift=10), tmp_path / "drift.html")
    text = page_text(tmp_path / "drift.html", tmp_path / "profile")
    assert "Likeliest cause" in text
    assert "country" in text
