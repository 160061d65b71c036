"""So many requests of one kind in work, so many waiting, and the rest refused at once.

A queue without a bound answers everybody late: at three times what a worker can do each answer
comes after its caller has gone. Here who cannot be served in time is told so straight away, and
those who are served are served in time. What waits together and costs less together is done
together: a queue then grows shorter faster than it grew.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from colisten.serving import metrics

T = TypeVar("T")
A = TypeVar("A")
# How much the last work weighs in the usual time in work.
_NEWEST = 0.1
# What is left of a deadline that work may be expected to take: the answer has still to be written,
# and be read, on a machine that has much to do.
_SHARE = 0.6


class Busy(Exception):
    """No room, or none in time; internal to the service, which answers 429.

    Attributes:
        retry_seconds: When it is worth asking again, in whole seconds.
    """

    def __init__(self, retry_seconds: int) -> None:
        self.retry_seconds = retry_seconds
        super().__init__(f"busy for about {retry_seconds} s")


class TooLate(Exception):
    """The deadline is over, or nearer than the work takes; the service answers 504."""


@dataclass(frozen=True)
class Together(Generic[A, T]):
    """Work that costs less for several requests at once than for each by itself.

    Attributes:
        of_all: Does it on `on` for several: what came of each, or its error, in order.
        on: What it is done on.
        asked: By this request.
        most: How many are done at once.
    """

    of_all: Callable[[Any, Sequence[A]], Sequence[T | Exception]]
    on: Any
    asked: A
    most: int

    def __call__(self) -> T:
        """Do it for this request alone."""
        (outcome,) = self.of_all(self.on, [self.asked])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def goes_with(self, other: object) -> bool:
        """Whether both are done by one call."""
        return isinstance(other, Together) and other.of_all is self.of_all and other.on is self.on


Work = Callable[[], T] | Together[Any, T]


@dataclass(eq=False, slots=True)
class _Waiting:
    """A request in the queue."""

    work: Work[Any]
    deadline: float
    context: contextvars.Context
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    begun: bool = False


class Lane:
    """Threads for requests of one kind, and the queue before them.

    Args:
        name: Of its threads.
        threads: Calls in work at once.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"lane-{name}")
        self._in_progress = metrics.IN_PROGRESS.labels(name)
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._working = 0
        # Seconds in work of a call, and of one request in it.
        self._usual = self._each = 0.0
        # Seconds by which the loop is late: an answer lies there so long, and so did the request.
        self._lag = 0.0

    async def run(self, work: Work[T], *, deadline: float, most_waiting: int) -> T:
        """Do `work` in a thread, in the order of arrival.

        Work that has begun goes on after its deadline, in its thread, which is not lent to others
        until then; nobody waits for it.

        Args:
            work: What may block.
            deadline: On the clock of `time.monotonic`; infinity for none.
            most_waiting: Requests that may wait for a thread.

        Raises:
            Busy: So many wait already, or so long that the deadline would be over.
            TooLate: The deadline is over, or will be before the work is done.
        """
        loop = asyncio.get_running_loop()
        deadline -= self._lag
        one = _Waiting(work, deadline, contextvars.copy_context(), loop, loop.create_future())
        self._enter(one, deadline - time.monotonic(), most_waiting)
        timer = None
        if deadline != math.inf:
            timer = loop.call_at(loop.time() + deadline - time.monotonic(), _expire, one.answer)
        self._in_progress.inc()
        try:
            self._pool.submit(self._work)
            return cast(T, await one.answer)
        finally:
            self._in_progress.dec()
            if timer is not None:
                timer.cancel()
            self._leave(one)

    def close(self) -> None:
        """Take no more; work in flight ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            left = [*self._waiting]
            self._waiting.clear()
            for one in left:
                one.begun = True
        for one in left:
            with suppress(RuntimeError):  # its loop is closed already
                one.loop.call_soon_threadsafe(one.answer.cancel)

    def check(self, deadline: float, most_waiting: int) -> None:
        """Raise what `run` would raise at once, before anything is done for a request."""
        with self._lock:
            self._check(deadline - self._lag - time.monotonic(), most_waiting)

    def _enter(self, one: _Waiting, left: float, most_waiting: int) -> None:
        with self._lock:
            self._check(left, most_waiting)
            self._waiting.append(one)

    def _check(self, left: float, most_waiting: int) -> None:
        idle = self._threads - self._working
        before = len(self._waiting) - idle + 1
        if before > 0:
            # Half of what is in work, then what waits before it and itself, some of it together.
            queue = (len(self._waiting) + 1) * self._each / self._threads
            wait = self._usual / 2 + max(self._usual, queue) + self._lag
            late = wait > _SHARE * left and self._usual <= left
            if before > most_waiting or late:
                raise Busy(max(1, math.ceil(wait)))
        # Whoever is alone tries: else one slow minute would be remembered for ever.
        if left <= 0 or (not self._is_alone() and self._usual > left):
            raise TooLate

    def _is_alone(self) -> bool:
        return not self._working and not self._waiting

    def _leave(self, one: _Waiting) -> None:
        """Whoever waits no more for what has not begun leaves the queue."""
        with self._lock:
            if not one.begun:
                self._waiting.remove(one)

    def _work(self) -> None:
        """Do what is next, if another thread has not."""
        group, late = self._next()
        for one in late:
            self._tell([one], [TooLate()])
        if not group:
            return
        started = time.monotonic()
        try:
            outcomes = _outcomes(group)
        finally:
            took = time.monotonic() - started
            with self._lock:
                self._working -= 1
                weight = _NEWEST if self._usual else 1.0
                self._usual += weight * (took - self._usual)
                self._each += weight * (took / len(group) - self._each)
        self._tell(group, outcomes)

    def _tell(self, group: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
        told = time.monotonic()

        def answer() -> None:
            self._lag += _NEWEST * (time.monotonic() - told - self._lag)
            _answer(group, outcomes)

        with suppress(RuntimeError):  # its loop is closed: nobody waits any more
            group[0].loop.call_soon_threadsafe(answer)

    def _next(self) -> tuple[list[_Waiting], list[_Waiting]]:
        """What is done next, and what it is too late for."""
        group: list[_Waiting] = []
        late: list[_Waiting] = []
        now = time.monotonic()
        with self._lock:
            while self._waiting and not group:
                one = self._waiting.popleft()
                one.begun = True
                is_late = one.deadline <= now + (0.0 if self._is_alone() else self._usual)
                (late if is_late else group).append(one)
            if group and isinstance(group[0].work, Together):
                first = group[0].work
                # Threads that have nothing to do get their share.
                idle = self._threads - self._working
                most = min(first.most, math.ceil((1 + len(self._waiting)) / idle))
                others = [one for one in self._waiting if first.goes_with(one.work)]
                for one in others[: most - 1]:
                    self._waiting.remove(one)
                    one.begun = True
                    (late if one.deadline <= now + self._usual else group).append(one)
            self._working += bool(group)
        return group, late


def _outcomes(group: Sequence[_Waiting]) -> Sequence[Any]:
    """What came of each, or its error."""
    first = group[0]
    try:
        if isinstance(first.work, Together):
            asked = [cast(Together[Any, Any], one.work).asked for one in group]
            return first.work.of_all(first.work.on, asked)
        return [first.context.run(first.work)]
    except BaseException as error:
        return [error] * len(group)


def _answer(group: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    for one, outcome in zip(group, outcomes, strict=True):
        if one.answer.done():  # it was not waited for
            continue
        if isinstance(outcome, BaseException):
            one.answer.set_exception(outcome)
        else:
            one.answer.set_result(outcome)


def _expire(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(TooLate())
