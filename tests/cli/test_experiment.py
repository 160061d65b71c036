"""Experiments are read for the content type that the run recommends."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from colisten.cli.app import program
from colisten.cli.experiment import drawn
from colisten.errors import ConfigError, ReportError
from colisten.index import ExactIndex
from colisten.release.store import ReleaseStore
from colisten.steps.use_cases.experiment import compare_experiment, experiment_settings
from tests.conftest import CUT
from tests.release.payloads import Parts, make_parts

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


FOREIGN = {
    "target_type": "film",
    "context_types": ["series"],
    "signals": {"purchase": 1.0, "click": 0.5},
    "start_signals": ["purchase"],
}


def _live_release(out: Path, parts: Parts) -> None:
    """A release whose tables spoke of films that are purchased."""
    payload = parts.payload(out / "payload")
    bound = json.loads((payload / "payload.json").read_text())
    bound["settings"]["data"] = FOREIGN
    (payload / "payload.json").write_text(json.dumps(bound))
    store, index = ReleaseStore(out), ExactIndex(out / "index" / "exact")
    store.promote(store.publish(payload, index), index)


def _in_foreign_words(folder: Path) -> None:
    """Every podcast is a film, the starts of even users purchases and those of odd ones clicks."""
    events = pd.read_parquet(folder / "interactions.parquet")
    events["item_type"] = "film"
    odd = events["user_id"].str[1:].astype(int) % 2 == 1
    events["signal"] = odd.map({True: "click", False: "purchase"})
    events.to_parquet(folder / "interactions.parquet")


def _starts(type_: str, folder: Path, data: Path, tmp_path: Path) -> str:
    out = tmp_path / type_
    out.mkdir()
    (out / "metrics.json").write_text(json.dumps({"test": {"target_type": type_}}))
    page = out / "reports" / "experiment.html"
    table = drawn(compare_experiment(data, folder, page), page, folder)
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


def test_types_and_signals_are_those_of_the_live_release(
    tmp_path: Path, tiny_history: Path
) -> None:
    folder, out = tmp_path / "experiment", tmp_path / "out"
    _experiment(folder)
    _in_foreign_words(folder)
    _live_release(out, make_parts(tmp_path / "parts", tiny_history, CUT))

    def shares(*overrides: str) -> list[float]:
        page = out / "reports" / "experiment.html"
        settings = experiment_settings(out, None, overrides)
        read = compare_experiment(folder, folder, page, settings=settings)
        return [rate.value for arm in read.arms if (rate := arm.values["stream_rate"])]

    assert shares() == [0.5] * 3
    command = ["experiment", "report", "--data", str(folder), "--exposures", str(folder)]
    done = CliRunner().invoke(program(), [*command, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert shares("data.start_signals=[purchase,click]") == [1.0] * 3
    with pytest.raises(ConfigError, match=r"data\.start_signals names 'stream'"):
        shares("data.start_signals=[stream]")
    with pytest.raises(ConfigError, match=r"'series' is data\.target_type and"):
        shares("data.target_type=series")
