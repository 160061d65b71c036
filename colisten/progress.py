"""Progress bars for anything longer than two seconds.

A bar appears on a terminal only once the work has lasted `PATIENCE_SECONDS`; elsewhere nothing
is drawn, and long loops log instead.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from colisten.terminal import Terminal

PATIENCE_SECONDS = 2.0

T = TypeVar("T")


def track(
    items: Iterable[T],
    label: str,
    total: int | None = None,
    note: Callable[[], str] = str,
) -> Iterator[T]:
    """Yield from `items`, drawing a bar named `label` if it takes longer than two seconds.

    Args:
        note: Says what stands beside the bar, asked after every item; nothing by default.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    start = time.monotonic()
    bar: Progress | None = None
    done = 0
    try:
        for item in items:
            yield item
            done += 1
            if bar is None and time.monotonic() - start > PATIENCE_SECONDS and sys.stderr.isatty():
                bar = Progress(
                    TextColumn("{task.description}", markup=False),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TimeRemainingColumn(),
                    TextColumn("{task.fields[note]}", markup=False),
                    console=Terminal(stderr=True),
                    transient=True,
                )
                bar.add_task(label, total=total, note="")
                bar.start()
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done, note=note())
    finally:
        if bar is not None:
            bar.stop()
