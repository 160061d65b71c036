"""How long each stage of one answer took: for its `Server-Timing` header, metrics and traces."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Literal

Stage = Literal["features", "encode", "search", "why", "answer"]
HEADER = "Server-Timing"


class StageTimes:
    """Seconds by stage of one request; a stage that is passed again adds up."""

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = {}

    def header(self) -> str:
        """As browsers read it, in milliseconds."""
        return ", ".join(f"{name};dur={took * 1e3:.2f}" for name, took in self.seconds.items())


_now: ContextVar[StageTimes | None] = ContextVar("stage_times", default=None)


def begin() -> StageTimes:
    """Take the time of what follows in this context, and in threads that carry it on."""
    times = StageTimes()
    _now.set(times)
    return times


class stage:  # noqa: N801 - reads as the statement that it is
    """Takes the time of a block: `with stage("search"): ...`."""

    __slots__ = ("_name", "_started")

    def __init__(self, name: Stage) -> None:
        self._name: Stage = name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        times = _now.get()
        if times is not None:
            took = time.perf_counter() - self._started
            times.seconds[self._name] = times.seconds.get(self._name, 0.0) + took
