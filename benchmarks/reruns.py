"""What a run by Kubeflow's runner does again: nothing, one text, or no training of the HGNN.

One home and one world. First everything is made; then the same again, the same with one description
changed, and the same with other settings of the towers. What a step's inputs have in common with an
earlier run's is taken from the cache, artifacts by what they hold and not by where they lie.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.data import parquet
from colisten.pipelines.local import run_local
from colisten.pipelines.parameters import Places, Steps
from colisten.pipelines.registry import make_pipeline
from colisten.settings.tree import load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.cache import StepEvent
from colisten.steps.workflow import Home

NAME = "reruns"
WORLD = WorldSettings(users=1_500, audiobooks=150, podcasts=400, days=150)
SETTINGS: tuple[str, ...] = ("evaluation.baselines=false",)
OTHER_TOWERS = ("towers.dropout=0.2",)
_TO_ENCODE = re.compile(r'"to_encode": (\d+)')


def run() -> None:
    """Every variant, in turn."""
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        window = world_window(place / "world", simulate(place / "world", WORLD))
        when = {"cut": window.cut.isoformat(), "window_days": window.days}
        home = Home.at(place / "home")
        for name, (change, more) in VARIANTS.items():
            change(window.data)
            rows[name] = _run(window.data, when, home, (*SETTINGS, *more))
    variants = {name: list(more) for name, (_, more) in VARIANTS.items()}
    figures = {"world": WORLD, "settings": SETTINGS, "variants": variants, "rows": rows}
    write_result(NAME, {**machine(), **figures})
    for name, row in rows.items():
        print(f"reruns, {name}: {row['seconds']} s, {len(row['made'])} steps made")


def _run(data: Path, when: dict[str, Any], home: Home, settings: Sequence[str]) -> dict[str, Any]:
    """Seconds, the steps that were made and those that were taken, and texts encoded."""
    made: dict[str, float] = {}
    taken: list[str] = []

    def listen(event: StepEvent) -> None:
        if event.state == "cached":
            taken.append(event.step)
        elif event.state in ("done", "failed"):
            made[event.step] = round(event.seconds, 1)

    log = home.out / "pipeline" / "run.log"
    before = log.stat().st_size if log.exists() else 0
    began = time.perf_counter()
    steps = Steps(load_settings(None, tuple(settings)), Places.of_home(home))
    arguments = {"data": str(data), **when}
    run_local(make_pipeline("retrain", steps), arguments, root=home.out / "pipeline", listen=listen)
    seconds = round(time.perf_counter() - began, 1)
    said = log.read_text()[before:]
    return {
        "seconds": seconds,
        "made": made,
        "taken": taken,
        "encoded": sum(int(each) for each in _TO_ENCODE.findall(said)),
    }


def _nothing(data: Path) -> None:
    pass


def _one_description(data: Path) -> None:
    file = data / "items.parquet"
    table = parquet.read(file)
    place = table.column_names.index("description")
    texts = table.column(place).to_pylist()
    texts[0] = f"{texts[0] or ''} Told anew."
    parquet.write(table.set_column(place, "description", pa.array(texts, pa.string())), file)


VARIANTS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "first": (_nothing, ()),
    "unchanged": (_nothing, ()),
    "one description": (_one_description, ()),
    "other towers": (_nothing, OTHER_TOWERS),
}
"""By name: what is done to the tables before, and settings of its own."""


if __name__ == "__main__":
    run()
