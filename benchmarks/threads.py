"""Twelve steps of a tiny model through every door, alone and beside a busy process.

What is timed is a step of the training, as it says at its end, the median of twelve: not what a
process takes to start, to import torch and to warm up, which each step of the pipeline pays. Beside
a busy process a door may lose the share of the machine that the other takes, and no more.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.pairs import machine, spread_of, write_result
from benchmarks.runs import world_window
from colisten.simulator import WorldSettings, simulate
from colisten.threads import COUNT, WAIT

# As many titles as the warehouse export that took over nine minutes.
WORLD = WorldSettings(users=200, audiobooks=60, podcasts=120, days=60)
SETTINGS: tuple[str, ...] = (
    "hgnn.max_steps=12",
    "towers.epochs=1",
    "towers.min_steps=0",
    "evaluation.baselines=false",
    "evaluation.bootstrap=20",
    "index.backend=exact",
    "text.max_chars=40",
)
ROUNDS = 1
BESIDE = {"alone": 0, "beside a busy process": 1}
"""How many busy processes there are."""
# What else the machine did as this one began: on an idle machine about nothing.
_LOAD = round(os.getloadavg()[0], 1)
LIBRARY = """
import sys, colisten
from colisten.logs import configure_logs
from colisten.settings.tree import load_settings
configure_logs()
data, cut, out, days, *settings = sys.argv[1:]
colisten.run(data, cut, out, load_settings(None, tuple(settings)), window_days=int(days))
"""
_TRAINED = re.compile(r'"step_ms": ([\d.]+), "event": "HGNN trained"')


def run() -> None:
    """Both trainings of a run, by door; each door once a round, in turn."""
    rows: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        window = world_window(place / "world", simulate(place / "world", WORLD))
        where = (str(window.data), window.cut.isoformat(), str(window.days))
        for beside, busy in BESIDE.items():
            steps: dict[str, list[float]] = {door: [] for door in DOORS}
            for number in range(ROUNDS):
                for door, command in DOORS.items():
                    out = place / f"{door}-{busy}-{number}"
                    with busy_processes(busy):
                        steps[door] += trainings(command(*where, str(out)))
            rows[beside] = steps
    write_result("threads", summary(rows))
    for beside, row in summary(rows)["step_ms"].items():
        print(f"threads, {beside}: slowest door {row['slowest_over_fastest']}x the fastest")


def summary(rows: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """Spread of each door, and how far apart their medians lie."""
    figures: dict[str, Any] = {}
    for beside, steps in rows.items():
        medians = [statistics.median(values) for values in steps.values()]
        figures[beside] = {door: spread_of(values) for door, values in steps.items()}
        figures[beside]["slowest_over_fastest"] = round(max(medians) / min(medians), 2)
    return {
        **machine(),
        "world": WORLD,
        "settings": SETTINGS,
        "load_before": _LOAD,
        "step_ms": figures,
    }


def _library(data: str, cut: str, days: str, out: str) -> list[str]:
    return [sys.executable, "-c", LIBRARY, data, cut, out, days, *SETTINGS]


def _commands(*name: str) -> Any:
    def command(data: str, cut: str, days: str, out: str) -> list[str]:
        options = [part for setting in SETTINGS for part in ("--set", setting)]
        place = ("--data", data, "--cut", cut, "--window-days", days, "--out", out)
        return [sys.executable, "-m", "colisten", *name, *place, *options]

    return command


DOORS = {
    "library": _library,
    "command": _commands("run"),
    "pipeline": _commands("pipeline", "run"),
}


def trainings(command: list[str]) -> list[float]:
    """Milliseconds of a step of every HGNN of a run, in whose environment nothing is said."""
    unsaid = {name: value for name, value in os.environ.items() if name not in (WAIT, COUNT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=unsaid)
    # The library's log is standard error; what steps of the others say lies under OUT.
    out = Path(command[command.index("--out") + 1]) if "--out" in command else None
    logs = [] if out is None else [out / "steps/run.log", out / "pipeline/run.log"]
    text = done.stdout + done.stderr + "".join(log.read_text() for log in logs if log.exists())
    return step_times(text)


def step_times(log: str) -> list[float]:
    """Milliseconds of a step of every HGNN that a log tells of."""
    return [float(each) for each in _TRAINED.findall(log)]


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Others that compute for as long as we are there, however we end."""
    program = "import os; us = os.getppid()\nwhile os.getppid() == us: pass"
    others = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(count)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()


if __name__ == "__main__":
    run()
