"""Evidently's UI in a browser: thirty runs, hostile names, and nobody else asked for anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from colisten.monitoring.workspace import WORKSPACE, project_id
from colisten.settings.alerts import Report
from tests.browser import browser
from tests.hostile import CONTROLS, SCRIPTS
from tests.monitoring.reports_made import drift_figures, write_report
from tests.serving.conftest import free_port
from tests.tab import tab

pytestmark = pytest.mark.slow
RUNS = 30
PICTURE = "evidently.webp"
_THERE = "document.body.innerText.includes({})"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty runs of a drift report, and one of an experiment that is full of hostile names."""
    folder = tmp_path_factory.mktemp("home")
    for day in range(RUNS):
        write_report(folder, drift_figures(day, *(("nulls",) if day in (8, 20, RUNS - 1) else ())))
    hostile = drift_figures(0, *SCRIPTS, summary=" ".join(["Read.", *SCRIPTS]))
    hostile["columns"] |= dict.fromkeys((*SCRIPTS, *CONTROLS), 0.5)
    write_report(folder, hostile, "experiment")
    return folder


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """The UI as somebody starts it; it ends with 0 when it is told to."""
    port = free_port()
    command = ["monitor", "ui", "--out", str(home), "--port", str(port), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "colisten", *command],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        lines = b""
        while not lines.endswith(b"}\n"):
            line = process.stdout.readline()
            assert line, "it ended"
            lines += line
        assert json.loads(lines)["port"] == port
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def test_thirty_runs_and_hostile_names_are_shown_and_nothing_else_is_asked_for(
    home: Path, url: str, tmp_path: Path
) -> None:
    drift, experiment = (
        f"{url}/projects/{project_id(report)}" for report in ("drift", "experiment")
    )
    newest, hostile = (_newest(home, report) for report in ("drift", "experiment"))
    pages = {
        url: "Project List",
        drift: "columns",
        f"{drift}/reports": f"of {RUNS}",
        f"{drift}/reports/{newest}": "spread.age",
        experiment: "columns",
        f"{experiment}/reports/{hostile}": "spread.age",
    }
    with browser(tmp_path / "profile") as chromium:
        for page, shown in pages.items():
            with tab(chromium, page) as opened:
                opened.until(_THERE.format(json.dumps(shown)))
            # Only looked at: its links to Evidently's own help would be followed.
            found = chromium.visit(page, touch=False)
            hosts = {urlsplit(request).netloc for request in found.requests}
            assert hosts <= {urlsplit(url).netloc}
            assert (found.dialogs, found.marks, found.said) == ([], [], [])
        # The alerts of the newest run are there as tests that failed.
        with tab(chromium, f"{drift}/reports/{newest}") as opened:
            opened.until(_THERE.format('"Tests"'))
            opened.run("[...document.querySelectorAll('[role=tab]')].at(-1).click()")
            opened.until(_THERE.format('"alerts: drift"'))
        with tab(chromium, drift, height=1300) as opened:
            opened.until("document.querySelectorAll('svg path').length > 20")
            (tmp_path / PICTURE).write_bytes(opened.picture(most=1300))
            assert (tmp_path / PICTURE).stat().st_size > 10_000


def _newest(home: Path, report: Report) -> str:
    """The id of a report's newest snapshot."""
    files = (home / WORKSPACE / str(project_id(report)) / "snapshots").glob("*.json")
    return max(files, key=lambda file: str(json.loads(file.read_text())["timestamp"])).stem
