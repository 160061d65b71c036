"""How long each stage of one answer took: for its `Server-Timing` header, metrics and traces.

A stage that is passed for several requests at once took each of them as long as it took.
"""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from typing import Literal, Protocol, get_args

Stage = Literal["features", "encode", "search", "why", "explain", "answer"]
STAGES: tuple[Stage, ...] = get_args(Stage)
HEADER = "Server-Timing"


class OpenSpan(Protocol):
    """A span of a trace that has begun."""

    def end(self) -> None: ...


class Spans(Protocol):
    """Makes spans of the stages of one request; see `colisten.serving.tracing`."""

    def stage(self, name: str, /) -> OpenSpan: ...


class Tracing(Protocol):
    """Makes spans of requests; see `colisten.serving.tracing`."""

    def here(self) -> Spans:
        """Below the span that is current: stages may be passed in another thread."""


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


Several = tuple[StageTimes, ...]
_now: ContextVar[Several] = ContextVar("stage_times", default=())


def begin(tracing: Tracing | None = None) -> StageTimes:
    """Take the time of what follows in this context, and in threads that carry it on."""
    times = StageTimes(None if tracing is None else tracing.here())
    _now.set((times,))
    return times


def current() -> Several:
    """Whose time is taken now."""
    return _now.get()


class taken_of:  # noqa: N801 - reads as the statement that it is
    """Takes the time of a block's stages for some requests: `with taken_of(times): ...`."""

    __slots__ = ("_times", "_token")

    def __init__(self, times: Several) -> None:
        # What comes as several requests may be one to who asked.
        self._times = times if len(times) < 2 else tuple(dict.fromkeys(times))

    def __enter__(self) -> None:
        self._token: Token[Several] = _now.set(self._times)

    def __exit__(self, *_: object) -> None:
        _now.reset(self._token)


class stage:  # noqa: N801 - reads as the statement that it is
    """Takes the time of a block: `with stage("search"): ...`."""

    __slots__ = ("_name", "_spans", "_started", "_times")

    def __init__(self, name: Stage) -> None:
        self._name: Stage = name

    def __enter__(self) -> None:
        self._times = times = _now.get()
        self._spans = [one.spans.stage(self._name) for one in times if one.spans is not None]
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        took = time.perf_counter() - self._started
        for times in self._times:
            times.seconds[self._name] = times.seconds.get(self._name, 0.0) + took
        for span in self._spans:
            span.end()
