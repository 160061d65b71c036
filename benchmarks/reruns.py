"""What a run by Kubeflow's runner does again: nothing, one text, or no training of the HGNN.

One home and one world. First everything is made; then the same again, the same with one description
changed, and the same with other settings of the towers. What a step's inputs have in common with an
earlier run's is taken from the cache, artifacts by what they hold and not by where they lie.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.data import parquet
from colisten.simulator import WorldSettings, simulate

NAME = "reruns"
WORLD = WorldSettings(users=1_500, audiobooks=150, podcasts=400, days=150)
SETTINGS: tuple[str, ...] = ("evaluation.baselines=false",)
OTHER_TOWERS = ("towers.dropout=0.2",)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FINISHED = re.compile(r"Task '?([\w-]+)'? finished with status")
_CACHED = re.compile(r"Task '?([\w-]+)'? cache hit")
_TO_ENCODE = re.compile(r'"to_encode": (\d+)')


def run() -> None:
    """Every variant, in turn."""
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        window = world_window(place / "world", simulate(place / "world", WORLD))
        when = {"cut": window.cut.isoformat(), "window_days": window.days}
        for name, (change, more) in VARIANTS.items():
            change(window.data)
            rows[name] = _run(window.data, when, place / "home", (*SETTINGS, *more))
    variants = {name: list(more) for name, (_, more) in VARIANTS.items()}
    figures = {"world": WORLD, "settings": SETTINGS, "variants": variants, "rows": rows}
    write_result(NAME, {**machine(), **figures})
    for name, row in rows.items():
        print(f"reruns, {name}: {row['seconds']} s, {len(row['made'])} steps made")


def _run(data: Path, when: dict[str, Any], out: Path, settings: Sequence[str]) -> dict[str, Any]:
    """Seconds, steps that were made and that were taken, and texts that were encoded."""
    log = out / "pipeline" / "run.log"
    before = log.stat().st_size if log.exists() else 0
    place = ("--data", str(data), "--out", str(out))
    moment = ("--cut", when["cut"], "--window-days", str(when["window_days"]))
    options = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "colisten", "pipeline", "run", *place, *moment, *options]
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    seconds = round(time.perf_counter() - began, 1)
    return {"seconds": seconds, **told(log.read_bytes()[before:].decode())}


def told(text: str) -> dict[str, Any]:
    """What a log of the runner says: steps made and taken from the cache, and texts encoded."""
    plain = _ANSI.sub("", text)
    taken = _CACHED.findall(plain)
    finished = _FINISHED.findall(plain)
    return {
        "made": [name for name in finished if name not in taken],
        "taken": taken,
        "encoded": sum(int(each) for each in _TO_ENCODE.findall(plain)),
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


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    lines = [
        "| the same again, with | s | steps made | from the cache | texts encoded | made |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        # Kubeflow numbers the tasks of one component.
        made = sorted({re.sub(r"-\d+$", "", re.sub(r"-\d+$", "", one)) for one in row["made"]})
        said = ", ".join(made) if len(row["made"]) < len(result["rows"]["first"]["made"]) else "all"
        lines.append(
            f"| {name} | {row['seconds']:.0f} | {len(row['made'])} | {len(row['taken'])} | "
            f"{row['encoded']:,} | {said} |"
        )
    world = result["world"]
    told = (
        f"{world['users']:,} users, {world['audiobooks']:,} audiobooks, {world['podcasts']:,} "
        f"podcasts; a process a step, by kfp's runner. Measured on {result['date']}."
    )
    return "\n".join([*lines, "", told])


if __name__ == "__main__":
    run()
