"""`colisten simulate` teaches what comes next and never eats a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from colisten.cli.simulate import simulate
from colisten.errors import ConfigError

app = typer.Typer()
app.command()(simulate)
RUN = CliRunner()
SIZES = ["--users", "80", "--audiobooks", "40", "--podcasts", "50", "--days", "40", "--seed", "7"]


def test_it_prints_figures_cut_and_the_next_command(tmp_path: Path) -> None:
    out = tmp_path / "world"
    result = RUN.invoke(app, ["--out", str(out), *SIZES])
    assert result.exit_code == 0, result.output
    assert "75 %" in result.output
    command = f"colisten run --data {out} --cut 2025-06-16 --window-days 14 --out {out}-run"
    assert command in result.output
    assert (out / "interactions.parquet").exists()


def test_the_next_command_names_the_third_type(tmp_path: Path) -> None:
    out = tmp_path / "world"
    result = RUN.invoke(app, ["--out", str(out), *SIZES, "--music", "30", "--author-taste", "0.5"])
    assert result.exit_code == 0, result.output
    assert f"--out {out}-run --set 'data.context_types=[music,podcast]'" in result.output
    assert (out / "links.parquet").exists()


def test_it_refuses_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    result = RUN.invoke(app, ["--out", str(tmp_path), *SIZES])
    assert isinstance(result.exception, ConfigError)
    assert result.exception.exit_code == 2
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_sizes_below_the_least_are_refused_by_name(tmp_path: Path) -> None:
    result = RUN.invoke(app, ["--out", str(tmp_path / "world"), "--users", "3"])
    assert result.exit_code == 2
    assert "--users" in result.output
    assert not (tmp_path / "world").exists()


@pytest.mark.parametrize(
    "change",
    [
        ("--end", "0001-01-01"),
        ("--end", "9999-12-31T23:59-14:00"),
        ("--end", "soon"),
        ("--days", "99999999999"),
    ],
)
def test_days_that_no_calendar_holds_are_one_line(tmp_path: Path, change: tuple[str, str]) -> None:
    result = RUN.invoke(app, ["--out", str(tmp_path / "world"), *SIZES, *change])
    assert isinstance(result.exception, ConfigError)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "world").exists()


def test_help_teaches() -> None:
    text = RUN.invoke(app, ["--help"]).output
    assert "truth/" in text
    assert "Example" in text
