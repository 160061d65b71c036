"""`colisten explain` as an owner meets it: a folder, a page, exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.explain import explain
from colisten.errors import ColistenError, ConfigError, ReleaseNotFound, ReportError
from colisten.explain.report import Explanation
from tests.explain.home import Plant, write_home

app = typer.Typer()
app.command()(explain)


@pytest.fixture(scope="module")
def out(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_home(tmp_path_factory.mktemp("run"), tiny_source, Plant())


def run(out: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["--out", str(out), *options])


def fault(out: Path) -> ColistenError:
    error = run(out).exception
    assert isinstance(error, ColistenError)
    return error


def test_it_writes_page_and_figures_and_says_what_they_say(out: Path) -> None:
    done = run(out, "--sample", "20", "--seed", "3")
    assert done.exit_code == 0, done.exception
    said = " ".join(done.stdout.split())
    assert f"{Plant().user} matters most" in said
    assert str(out / "reports" / "explain.html") in done.stdout.replace("\n", "")
    figures = json.loads((out / "reports" / "explain.json").read_text())
    assert figures["users"] == 20
    assert figures["seed"] == 3
    found = Explanation.model_validate(figures)
    assert found.importance.of("user", Plant().user).losses["list changed"].value
    assert "<html" in (out / "reports" / "explain.html").read_text()[:200]
    assert not list((out / "reports").glob(".*.partial"))


def test_what_is_missing_is_said(out: Path, tmp_path: Path) -> None:
    nowhere = fault(tmp_path / "nowhere")
    assert isinstance(nowhere, ConfigError)
    assert "nowhere" in str(nowhere)
    assert isinstance(fault(tmp_path), ReleaseNotFound)
    shutil.copytree(out / "releases", tmp_path / "alone" / "releases")
    alone = fault(tmp_path / "alone")
    assert isinstance(alone, ReportError)
    assert "holds no events" in str(alone)
    assert not (tmp_path / "alone" / "reports").exists()
