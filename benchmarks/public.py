"""The default settings on public sets beside tuned rivals: the tables in README and the docs.

Each set is measured at each of its cuts by itself, into a result file of its own, so that every
figure carries the date, the machine and the code it was measured with.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.pairs import known_result, machine, write_result
from benchmarks.public_sets import SETS, Cut, PublicSet
from colisten.evaluation.comparison import Contrast, Measure
from colisten.evaluation.table import SLICES, EvaluationTable
from colisten.files import combined_digest, file_digest
from colisten.json_files import to_json
from colisten.settings.tree import Settings
from colisten.steps.cache import StepEvent
from colisten.steps.code import code_digest
from colisten.steps.use_cases.run import run as make_release

SEEDS = 3
SETTINGS = Settings()
METRICS = ("HR@10", "MRR", "coverage")
_MEASURED_CODE = "colisten.steps.use_cases.run"


@dataclass
class StepClock:
    """Listens to a run and adds up the seconds of each kind of step."""

    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: StepEvent) -> None:
        """Count a finished step."""
        if event.state == "done":
            self.seconds[event.step] = self.seconds.get(event.step, 0.0) + event.seconds


@dataclass(frozen=True)
class Measurement:
    """One set at one cut.

    Attributes:
        of: The set.
        cut: Where it is cut, and the window.
    """

    of: PublicSet
    cut: Cut

    @property
    def name(self) -> str:
        """Of this benchmark and of its result file."""
        return f"public_{self.of.name}_{self.cut.day}"

    @property
    def tables(self) -> Path | None:
        """Folder of the set's tables; None, after saying why, where there is none."""
        root = os.environ.get("COLISTEN_REAL_DATA")
        if root is None:
            print(f"{self.name}: COLISTEN_REAL_DATA is unset, so there is nothing to measure on")
            return None
        folder = Path(root) / self.of.folder
        if not folder.is_dir():
            print(f"{self.name}: COLISTEN_REAL_DATA has no folder {self.of.folder}")
            return None
        return folder

    def is_measured(self) -> bool:
        """Whether a result is there of this code, these tables and this protocol."""
        last, tables = known_result(self.name), self.tables
        if last is None or tables is None:
            return False
        return all(last[key] == value for key, value in self.made_from(tables).items())

    def run(self) -> None:
        """Run the release pipeline under every seed; write what was measured."""
        tables = self.tables
        if tables is None:
            return
        made_from, clock, started = self.made_from(tables), StepClock(), time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            made = make_release(
                tables,
                self.cut.day,
                Path(folder) / "out",
                SETTINGS,
                window_days=self.cut.days,
                seeds=SEEDS,
                listen=clock,
            )
        result = {
            **machine(),
            "set": self.of.name,
            "cut": self.cut.day,
            **made_from,
            **collected(made.table),
            "seconds": round(time.monotonic() - started),
            "seconds_of_steps": {name: round(each) for name, each in clock.seconds.items()},
        }
        write_result(self.name, result)
        print(f"{self.name}: {to_json(made.table.users)} users, {result['seconds']} s")

    def made_from(self, tables: Path) -> dict[str, Any]:
        """What a result depends on, beside the machine."""
        files = {file.name: file_digest(file) for file in sorted(tables.glob("*.parquet"))}
        return {
            "window_days": self.cut.days,
            "seeds": [SETTINGS.seed + number for number in range(SEEDS)],
            "code": code_digest(_MEASURED_CODE),
            "settings": combined_digest({"settings": to_json(SETTINGS, sort=True)})[:16],
            "data": combined_digest(files)[:16],
        }


MEASUREMENTS = {
    each.name: each for each in (Measurement(of, cut) for of in SETS for cut in of.cuts)
}


def collected(table: EvaluationTable) -> dict[str, Any]:
    """Values and intervals of every model, and the subject's paired differences."""
    rows = {
        model: {
            f"{part} {metric}": _figures(table.row(model, part).metrics[metric])
            for part in SLICES
            for metric in METRICS
        }
        for model in table.models
    }
    differences = {
        f"{each.against}, {each.slice} {each.metric}": _figures(each)
        for each in table.differences
        if each.metric in METRICS
    }
    return {"users": table.users, "rows": rows, f"{table.subject} minus": differences}


def _figures(of: Measure | Contrast) -> list[float | None]:
    return [
        None if value is None else round(float(value), 4) for value in (of.value, of.low, of.high)
    ]
