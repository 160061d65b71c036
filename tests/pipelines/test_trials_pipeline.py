"""`colisten ablate` killed, resumed, asserted on its table."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colisten.ablations.registry import FULL
from colisten.ablations.report import AblationReport
from colisten.cli.steps import shown_steps
from colisten.errors import PipelineError
from colisten.settings.tree import load_settings
from colisten.steps.trials import TrainingRun
from colisten.steps.use_cases.compare import compare_trainings
from colisten.steps.workflow import Window
from tests.conftest import CUT

pytestmark = pytest.mark.slow

WINDOW_DAYS = 30
# A line of a step that ended: `14/38 full, seed 0: train HGNN    done  2.0 s`.
_ENDED = re.compile(r"^ *\d+/\d+ (?:.*: )?(.+?) +(unchanged|done|failed)\b", re.MULTILINE)
QUICK = (
    "hgnn.max_steps=5",
    "hgnn.batch_size=64",
    "cross_fitting.folds=2",
    "towers.epochs=1",
    "towers.min_steps=0",
    "towers.batch_size=64",
    "evaluation.bootstrap=100",
)
NAMES = ("no-popularity-prior", "no-graph")


def start(data: Path, out: Path, errors: Path) -> subprocess.Popen[bytes]:
    options = [part for name in NAMES for part in ("--only", name)]
    options += [part for setting in QUICK for part in ("--set", setting)]
    command = [sys.executable, "-m", "colisten", "ablate", "--data", str(data), "--seeds", "2"]
    command += ["--cut", CUT.date().isoformat(), "--window-days", str(WINDOW_DAYS)]
    with errors.open("wb") as file:
        return subprocess.Popen(
            [*command, "--out", str(out), *options],
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def out(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT of a command that was killed while it trained, and run again."""
    out = tmp_path_factory.mktemp("ablations")
    errors = out / "errors.txt"
    running = start(tiny_source, out, errors)
    log = out / "steps/run.log"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and running.poll() is None:
        if log.exists() and "train-towers" in log.read_text(errors="ignore"):
            break
        time.sleep(0.05)
    assert running.poll() is None, errors.read_text()
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not list(out.glob("ablations.*"))
    running = start(tiny_source, out, errors)
    assert running.wait(timeout=600) == 0, errors.read_text() + log.read_text()[-3000:]
    return out


def test_a_killed_command_goes_on_and_steps_are_shared(out: Path) -> None:
    said = (out / "errors.txt").read_text()
    assert [line for line in said.splitlines() if line.startswith("[")] == [
        f"[{number}/6] {name}, seed {seed}"
        for number, (seed, name) in enumerate(
            ((seed, name) for seed in (0, 1) for name in (FULL, *reversed(NAMES))), start=1
        )
    ]
    states = _ENDED.findall(said)
    # Before the kill: what all trials share, the graph and the first seed's HGNN.
    kept = {"check the tables", "text vectors", "features", "co-listening graph", "train HGNN"}
    assert {step for step, state in states[:7] if state == "unchanged"} > kept
    # The second seed's HGNN alone is trained; towers of every row under every seed.
    done = [step for step, state in states if state == "done"]
    assert done.count("co-listening graph") == 0
    assert done.count("train HGNN") == 1
    assert sum(step.startswith("train towers") for step in done) == done.count("rank") == 6
    assert not list(out.rglob("*.partial"))


def test_the_table_has_every_row_over_both_seeds(out: Path) -> None:
    report = AblationReport.model_validate_json((out / "ablations.json").read_text())
    assert [row.name for row in report.rows] == [FULL, *reversed(NAMES)]
    assert (report.seeds, report.skipped) == ((0, 1), ())
    assert report.beside == ("popularity", "HGNN-mean")
    table = report.table
    assert table.users["all"] > 10
    for model, seeds in ((FULL, 2), ("no-graph", 2), ("HGNN-mean", 2), ("popularity", 1)):
        row = table.row(model)
        assert row.seeds == seeds
        measure = row.metrics["MRR"]
        assert measure.value is not None
        assert measure.low is not None
        assert measure.high is not None
        assert measure.low <= measure.value <= measure.high
        if seeds == 2:
            assert sum(measure.by_seed) / 2 == pytest.approx(measure.value)
            assert measure.by_seed[0] != measure.by_seed[1]
    values = {row.name: table.value(row.name, "MRR") for row in report.rows}
    assert len(set(values.values())) == 3
    change = report.change("no-graph", "MRR")
    assert change is not None
    assert change.value == pytest.approx(values["no-graph"] - values[FULL])  # type: ignore[operator]
    page = (out / "ablations.html").read_text()
    assert all(name in page for name in (FULL, *NAMES, "All users"))


def test_a_failed_trial_is_told_and_leaves_the_results_as_they_were(
    out: Path, tiny_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file.name: file.read_bytes() for file in out.glob("ablations.*")}
    settings = load_settings(None, QUICK)
    broken = load_settings(None, (*QUICK, "hgnn.fanouts=[5]"))
    trials = [
        TrainingRun("broken", broken),
        TrainingRun(FULL, settings, beside=("popularity", "HGNN-mean")),
    ]
    window = Window(tiny_source, CUT, WINDOW_DAYS)
    with (
        pytest.raises(PipelineError, match=r"'train-hgnn' failed(?s:.*)one fan-out per layer"),
        shown_steps(out) as listen,
    ):
        compare_trainings(window, out, trials, settings, subject=FULL, listen=listen)
    said = capsys.readouterr().err
    assert "[1/2] broken, seed 0" in said
    # The other trial went on, and had all it needed.
    assert ("rank", "unchanged") in _ENDED.findall(said)
    assert {file.name: file.read_bytes() for file in out.glob("ablations.*")} == before
    assert json.loads(before["ablations.json"])["rows"]
