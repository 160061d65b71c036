"""Timing two ways of doing one thing in turn, so that a drifting machine moves both."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from colisten.json_files import read_mapping, write_json

RESULTS = Path(__file__).parent / "results"
COUNTED = 5
"""Pairs of runs that count."""


def compare(
    name: str,
    ours: Callable[[], Any],
    rival: Callable[[], Any],
    *,
    rival_name: str,
    facts: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run ours and the rival in turn, after one warm-up of each; write and return the ratios.

    Args:
        name: Of the result file.
        ours: One run of ours.
        rival: One run of the rival on the same input.
        rival_name: What the rival is.
        facts: Sizes and whatever else a reader needs.
    """
    ours()
    rival()
    seconds: dict[str, list[float]] = {"ours": [], "rival": []}
    for _ in range(COUNTED):
        for who, work in (("ours", ours), ("rival", rival)):
            start = time.perf_counter()
            work()
            seconds[who].append(time.perf_counter() - start)
    ratios = [rival / own for own, rival in zip(seconds["ours"], seconds["rival"], strict=True)]
    result = {
        "benchmark": name,
        "rival": rival_name,
        **machine(),
        "facts": facts or {},
        "seconds": {who: spread_of(values) for who, values in seconds.items()},
        "times_faster_than_rival": spread_of(ratios),
        "pairs": COUNTED,
    }
    write_result(name, result)
    spread = result["times_faster_than_rival"]
    print(
        f"{name}: {spread['median']:.2f}x as fast as {rival_name} "
        f"({spread['min']:.2f} to {spread['max']:.2f} over {COUNTED} pairs)"
    )
    return result


def machine() -> dict[str, Any]:
    """What a result was measured on, and when."""
    size = {"cores": os.cpu_count(), "system": platform.system(), **_memory()}
    return {"date": datetime.now(UTC).date().isoformat(), "machine": size}


def write_result(name: str, result: dict[str, Any]) -> None:
    """Write `results/<name>.json`."""
    write_json(RESULTS / f"{name}.json", result)


def read_result(name: str) -> dict[str, Any]:
    """The committed result of a benchmark."""
    return read_mapping(RESULTS / f"{name}.json")


def known_result(name: str) -> dict[str, Any] | None:
    """The committed result of a benchmark; None where nobody has measured yet."""
    return read_result(name) if (RESULTS / f"{name}.json").exists() else None


def spread_of(values: list[float]) -> dict[str, float]:
    """Least, median and greatest."""
    return {
        "min": round(min(values), 4),
        "median": round(statistics.median(values), 4),
        "max": round(max(values), 4),
    }


def _memory() -> dict[str, int]:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {"memory_gib": round(pages * size / 2**30)}
