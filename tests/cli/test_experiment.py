"""Experiments are read for the content type that the run recommends."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from colisten.cli.experiment import drawn
from colisten.errors import ReportError
from colisten.steps.use_cases.experiment import compare_experiment
from tests.conftest import CUT

ARMS = ("popularity", "2T", "2T-HGNN")


def _experiment(folder: Path) -> None:
    """60 users, 20 an arm; all are shown a podcast and an audiobook, all start the podcast."""
    users = [f"u{number:02}" for number in range(60)]
    shown = [
        {
            "request_id": f"r-{user}",
            "user_id": user,
            "variant": ARMS[number % 3],
            "release_id": "r1",
            "surface": "home",
            "item_id": item,
            "position": position,
            "timestamp": pd.Timestamp(CUT + timedelta(hours=1)),
        }
        for number, user in enumerate(users)
        for position, item in ((1, "p1"), (2, "a1"))
    ]
    started = [
        {
            "user_id": user,
            "item_id": "p1",
            "item_type": "podcast",
            "signal": "stream",
            "timestamp": pd.Timestamp(CUT + timedelta(hours=2)),
        }
        for user in users
    ]
    folder.mkdir()
    pd.DataFrame(shown).to_parquet(folder / "exposures.parquet")
    pd.DataFrame(started).to_parquet(folder / "interactions.parquet")


def _starts(type_: str, folder: Path, data: Path, tmp_path: Path) -> str:
    out = tmp_path / type_
    out.mkdir()
    (out / "metrics.json").write_text(json.dumps({"test": {"target_type": type_}}))
    page = out / "reports" / "experiment.html"
    table = drawn(compare_experiment(data, folder, page), page)
    assert page.exists()
    console = Console(width=200)
    with console.capture() as said:
        console.print(table)
    return said.get()


def test_starts_are_those_of_the_type_the_run_recommends(tmp_path: Path) -> None:
    folder, data = tmp_path / "experiment", tmp_path / "data"
    _experiment(folder)
    data.mkdir()
    before = pd.read_parquet(folder / "interactions.parquet").head(1)
    before["timestamp"] = pd.Timestamp(CUT - timedelta(days=1))
    before["item_id"] = "p9"
    before.to_parquet(data / "interactions.parquet")
    assert "100.00%" in _starts("podcast", folder, data, tmp_path)
    assert "100.00%" not in _starts("audiobook", folder, data, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no finished run"), ("{", "not what a run writes"), ("{}", "not what a run writes")],
)
def test_a_folder_without_a_run_is_refused_unless_told_the_type(
    content: str | None, said: str, tmp_path: Path
) -> None:
    folder, out = tmp_path / "experiment", tmp_path / "out"
    _experiment(folder)
    out.mkdir()
    if content is not None:
        (out / "metrics.json").write_text(content)
    page = out / "reports" / "experiment.html"
    with pytest.raises(ReportError, match=said):
        compare_experiment(folder, folder, page)
    compare_experiment(folder, folder, page, target="podcast")
    assert page.exists()
