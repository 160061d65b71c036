"""Work in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def alone(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Figures of `work(*arguments)` in a fresh process, with its `seconds` and `peak_gib`.

    Args:
        work: A function of a module, which the new process imports; a figure named `seconds` that
            it gives stands.
        arguments: What it is given; they travel by pickle.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, work, *arguments).result()


def measured(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """The same in this process."""
    start = time.perf_counter()
    figures = work(*arguments)
    seconds = round(time.perf_counter() - start, 1)
    # The kernel's ru_maxrss outlives exec and would count the parent as well.
    status = Path("/proc/self/status").read_text()
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])
    return {"seconds": seconds, **figures, "peak_gib": round(peak / 2**20, 2)}
