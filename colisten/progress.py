"""Progress bars for anything longer than two seconds.

A bar appears on a terminal only once the work has lasted `PATIENCE_SECONDS`; elsewhere nothing
is drawn, and long loops log instead. Whoever draws in a way of its own, as the command line does
while a step runs, watches (`watched`) and no bar of ours appears.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from colisten.terminal import Terminal

PATIENCE_SECONDS = 2.0

# Between two reports to whoever watches.
_REPORT_SECONDS = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class Progressed:
    """How far a loop is.

    Attributes:
        label: What it does.
        done: Items behind it.
        total: Items in all; None where nobody knows.
        note: What stands beside the bar.
    """

    label: str
    done: int
    total: int | None
    note: str = ""


Watcher = Callable[[Progressed], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(by: Watcher) -> Iterator[None]:
    """Let every loop of the block report to a watcher, some times a second, and draw nothing."""
    token = _watcher.set(by)
    try:
        yield
    finally:
        _watcher.reset(token)


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
    watcher = _watcher.get()
    if watcher is not None:
        yield from _reported(items, watcher, label, total, note)
        return
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


def _reported(
    items: Iterable[T], watcher: Watcher, label: str, total: int | None, note: Callable[[], str]
) -> Iterator[T]:
    reported = -_REPORT_SECONDS
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - reported >= _REPORT_SECONDS:
            watcher(Progressed(label, done, total, note()))
            reported = now
        yield item
