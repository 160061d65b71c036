"""`colisten explain` as an owner meets it: a folder, a page, exit codes."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from colisten.cli.explain import explain
from colisten.errors import ColistenError, ConfigError, ReleaseNotFound, ReportError
from colisten.explain.explanation import Explanation
from colisten.steps.use_cases.explain import live_release, tables_of
from tests.conftest import CUT
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
    done = run(out, "--most-users", "20", "--seed", "3")
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


def test_a_release_made_elsewhere_is_explained_by_the_tables_of_its_run(
    out: Path, tmp_path: Path
) -> None:
    for name in ("releases", "features"):
        shutil.copytree(out / name, tmp_path / name)
    done = run(tmp_path, "--tables", str(out / "steps" / "check_tables-1"), "--sample", "20")
    assert done.exit_code == 0, done.exception
    assert (tmp_path / "reports" / "explain.html").exists()


@pytest.fixture
def runs(out: Path, tmp_path: Path) -> Path:
    """The tables of three runs: the same cut twice, then a later one of another cut."""
    source = out / "steps" / "check_tables-1"
    for age, name in enumerate(("later", "second", "first")):
        copy = shutil.copytree(source, tmp_path / "steps" / f"check_tables-{name}")
        summary = copy / "history" / "summary.json"
        if name == "later":
            summary.write_text(summary.read_text().replace("2025-06-30", "2025-07-30"))
        moment = 1_700_000_000 - age * 100
        os.utime(summary, (moment, moment))
    return tmp_path


def test_the_latest_tables_of_the_releases_own_cut_and_items(out: Path, runs: Path) -> None:
    release = live_release(out, threads=1)
    tables = tables_of(runs, release)
    assert tables.history.parts[-2] == "check_tables-second"
    assert tables.holdout == tables.history.with_name("holdout")
    assert tables.cut == CUT
    (runs / "steps/check_tables-second/history/items.parquet").unlink()
    (runs / "steps/check_tables-later/history/summary.json").write_text("{")
    assert tables_of(runs, release).history.parts[-2] == "check_tables-first", (
        "leftovers are passed over"
    )
    other = replace(release, item_ids=release.item_ids[1:])
    with pytest.raises(ReportError, match=rf"{release.release_id} .*steps/check_tables-\*"):
        tables_of(runs, other)
