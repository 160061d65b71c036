"""How long each stage of one answer took: for its `Server-Timing` header, metrics and traces."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Literal, Protocol, get_args

Stage = Literal["features", "encode", "search", "why", "answer"]
STAGES: tuple[Stage, ...] = get_args(Stage)
HEADER = "Server-Timing"


class OpenSpan(Protocol):
    """A span of a trace that has begun."""

    def end(self) -> None: ...


class Spans(Protocol):
    """Makes spans of stages; see `colisten.serving.tracing`."""

    def stage(self, name: str, /) -> OpenSpan: ...


class StageTimes:
    """Seconds by stage of one request; a stage that is passed again adds up.

    Args:
        spans: Where each stage also becomes a span; None for nowhere.
    """

    def __init__(self, spans: Spans | None = None) -> None:
        self.seconds: dict[Stage, float] = {}
        self.spans = spans

    def header(self) -> str:
        """As browsers read it, in milliseconds."""
        return ", ".join(f"{name};dur={took * 1e3:.2f}" for name, took in self.seconds.items())


_now: ContextVar[StageTimes | None] = ContextVar("stage_times", default=None)


def begin(spans: Spans | None = None) -> StageTimes:
    """Take the time of what follows in this context, and in threads that carry it on."""
    times = StageTimes(spans)
    _now.set(times)
    return times


class stage:  # noqa: N801 - reads as the statement that it is
    """Takes the time of a block: `with stage("search"): ...`."""

    __slots__ = ("_name", "_span", "_started", "_times")

    def __init__(self, name: Stage) -> None:
        self._name: Stage = name

    def __enter__(self) -> None:
        self._times = times = _now.get()
        self._span = None if times is None or times.spans is None else times.spans.stage(self._name)
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        times = self._times
        if times is not None:
            took = time.perf_counter() - self._started
            times.seconds[self._name] = times.seconds.get(self._name, 0.0) + took
            if self._span is not None:
                self._span.end()
