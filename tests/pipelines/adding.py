"""A step whose TrainJob is a shell: little to load, so that a test can start it in a process.

python -m tests.pipelines.adding FOLDER    runs it on what FOLDER/given.json says
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from colisten.components.train_job import trained
from colisten.json_files import read_json
from colisten.steps.artifacts.reports import Metrics

GIVEN = "given.json"


class Added(NamedTuple):
    """What `add` leaves."""

    metrics: Metrics


def add(numbers: Metrics, more: int, *, out: Path) -> Added:
    """Add; executed by a shell that stands for it."""
    raise AssertionError("not here")


def added(folder: Path, settings: str = "{}") -> Any:
    """What the job leaves."""
    numbers = Metrics({"one": 1.0}).save(folder / "numbers")
    inputs = {"numbers": numbers.place, "more": 2}
    given = read_json(folder / GIVEN)
    with trained(add, inputs, settings, given, look_seconds=0.05) as returned:
        return returned.metrics.figures


if __name__ == "__main__":
    added(Path(sys.argv[1]))
