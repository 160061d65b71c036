"""How the cost of a whole training grows with events: worlds of one, four and sixteen times."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.data import parquet
from colisten.ranking.rankers import SUBJECT
from colisten.settings.tree import Settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.trials import TrainingRun
from colisten.steps.use_cases.compare import compare_trainings

WORLD = WorldSettings()
SETTINGS = Settings()
USERS = 500
FACTORS = (1, 4, 16)


def run() -> None:
    """From tables to measured lists, once for each size."""
    rows: list[dict[str, Any]] = []
    for factor in FACTORS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measured(Path(folder), factor))
    first = rows[0]
    for row in rows:
        row["events_ratio"] = round(row["events"] / first["events"], 2)
        row["seconds_ratio"] = round(row["seconds"] / first["seconds"], 2)
    write_result("growth", {**machine(), "from": "tables to lists of 2T-HGNN", "rows": rows})
    for row in rows:
        print(f"growth: {row['events_ratio']}x events, {row['seconds_ratio']}x time")


def measured(folder: Path, factor: int) -> dict[str, Any]:
    """Events and seconds of one world."""
    world = WORLD.model_copy(update={"users": USERS * factor})
    window = world_window(folder / "world", simulate(folder / "world", world))
    with parquet.opened(folder / "world" / "interactions.parquet") as file:
        events = file.metadata.num_rows
    started = time.monotonic()
    trainings = [TrainingRun(SUBJECT, SETTINGS)]
    compare_trainings(window, folder / "run", trainings, SETTINGS, subject=SUBJECT)
    seconds = round(time.monotonic() - started, 1)
    return {"users": USERS * factor, "events": events, "seconds": seconds}
