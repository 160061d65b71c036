"""What the demo costs and shows here: minutes, peak memory and disk, from an empty folder."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.pairs import machine, write_result
from colisten.json_files import parse_json

NAME = "price"
COMMANDS: dict[str, tuple[str, ...]] = {
    "demo": ("demo", "--json"),
    "demo again": ("demo", "--json"),
    "demo --full": ("demo", "--full", "--json"),
}
EVERY = 0.3
"""Seconds between two looks at the memory."""


def run() -> None:
    """Every command in one folder, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        rows = {name: cost(arguments, Path(folder)) for name, arguments in COMMANDS.items()}
    write_result(NAME, {**machine(), "rows": rows})
    for name, row in rows.items():
        print(f"{name}: {cells(row)}")


def cost(arguments: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Seconds, peak GB of memory of a command and all that it starts, GB of files that it adds.

    Memory that processes share counts once (proportional set size).
    """
    before, started, peak = _size(folder), time.perf_counter(), 0
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "colisten", *arguments],
            cwd=folder,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(EVERY)
        output.seek(0)
        document = output.read()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"colisten {' '.join(arguments)}: {document.decode()[-2000:]}")
    return {
        **_shown(parse_json(document)),
        "seconds": round(seconds, 1),
        "memory_gb": round(peak / 1e9, 2),
        "disk_gb": round((_size(folder) - before) / 1e9, 3),
    }


def _shown(document: Any) -> dict[str, Any]:
    """Of a demo: HR@10 of every model, and the lift of new starts over the popular shelf."""
    if not isinstance(document, dict) or "experiment" not in document:
        return {}
    return {
        "HR@10": {name: row["HR@10"] for name, row in document["figures"].items()},
        "new_starts": next(
            each["lift"]
            for each in document["experiment"]["lifts"]
            if (each["arm"], each["metric"]) == ("2T-HGNN", "new_start_rate")
        ),
        "promoted": document["run"]["promoted"],
    }


def cells(row: dict[str, Any]) -> str:
    """Minutes, memory and disk, as three cells of README's table."""
    return f"{row['seconds'] / 60:.1f} | {row['memory_gb']:.1f} GB | {row['disk_gb']:.1f} GB |"


def _memory(pid: int) -> int:
    """Bytes that a process and its descendants hold."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    held = 0
    for each in family:
        try:
            held += each.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return held


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
