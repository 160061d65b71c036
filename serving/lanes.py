"""So many requests of one kind in work, so many waiting, and the rest refused at once.

A queue without a bound answers everybody late: at three times what a worker can do each answer
comes after its caller has gone. Here who cannot be served in time is told so straight away, and
those who are served are served in time.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
# How much the last request weighs in the usual time in work.
_NEWEST = 0.1


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


class Lane:
    """Threads for requests of one kind, and the queue before them.

    Args:
        name: Of its threads.
        threads: Requests in work at once.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"lane-{name}")
        self._lock = threading.Lock()
        self._taken = 0
        self._usual = 0.0

    async def run(self, work: Callable[[], T], *, deadline: float, most_waiting: int) -> T:
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
        self._enter(deadline - time.monotonic(), most_waiting)
        context = contextvars.copy_context()
        task = self._pool.submit(context.run, self._work, work, deadline)
        try:
            return await _within(task, deadline)
        finally:
            # Not begun yet, and nobody waits for it any more.
            if task.cancel():
                self._leave()

    def close(self) -> None:
        """Take no more; work in flight ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _enter(self, left: float, most_waiting: int) -> None:
        with self._lock:
            waiting = max(0, self._taken - self._threads + 1)
            rounds = 1 + waiting / self._threads
            if waiting > most_waiting or (waiting and rounds * self._usual > left > self._usual):
                raise Busy(max(1, math.ceil(rounds * self._usual)))
            # Whoever is alone tries: else one slow minute would be remembered for ever.
            if left <= 0 or (self._taken and self._usual > left):
                raise TooLate
            self._taken += 1

    def _leave(self) -> None:
        with self._lock:
            self._taken -= 1

    def _work(self, work: Callable[[], T], deadline: float) -> T:
        started = time.monotonic()
        worked = False
        try:
            with self._lock:
                late = started >= deadline or (self._taken > 1 and started + self._usual > deadline)
            if late:
                raise TooLate
            worked = True
            return work()
        finally:
            took = time.monotonic() - started
            with self._lock:
                self._taken -= 1
                if worked:
                    weight = _NEWEST if self._usual else 1.0
                    self._usual += weight * (took - self._usual)


async def _within(task: Future[T], deadline: float) -> T:
    """The task's result; TooLate where it is not there in time."""
    loop = asyncio.get_running_loop()
    end = None if deadline == math.inf else loop.time() + deadline - time.monotonic()
    try:
        async with asyncio.timeout_at(end) as limit:
            return await asyncio.wrap_future(task)
    except TimeoutError as error:
        if limit.expired():
            raise TooLate from error
        raise
