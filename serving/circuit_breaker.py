"""Calling something that may be slow or dead, without becoming slow or dead oneself.

A breaker gives each call a time budget and, after several failures in a row, stops asking for a
while: a request then loses no time on a dependency that is known to be down. Whether it is down is
not for a failing call to say, whose key's data or whose own message may be at fault: before a
breaker opens, and before it closes again, the dependency is asked something neutral.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from colisten.errors import (
    ColistenError,
    EventRefused,
    FilterRefused,
    TowerAbsent,
    TowerBusy,
    UserBusy,
    UserUnreadable,
)
from colisten.logs import logger

T = TypeVar("T")
_FIRST_SHARE = 0.05
# Of a budget; and how many budgets a call waits for at most, whatever else there is to do.
_TICKS, _LONGEST = 10, 10
_NO_OUTAGE = (EventRefused, FilterRefused, TowerAbsent, TowerBusy, UserBusy, UserUnreadable)
_log = logger("serving.circuit_breaker")


class CallFailed(Exception):
    """The dependency gave no answer; `reason` says why in a few letters.

    Internal to the service: the recommender catches it and names `reason` in the answer.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class CallRefused(CallFailed):
    """What was asked cannot be answered, by this dependency or any: no sign of its health.

    Attributes:
        error: Why; one of `_NO_OUTAGE`.
    """

    def __init__(self, reason: str, error: ColistenError) -> None:
        self.error = error
        super().__init__(reason)


class _Late(Exception):
    """The budget is over; its cause says what was waited for."""


class CircuitBreaker:
    """Budget and circuit breaker around one dependency.

    Args:
        name: Prefix of the reasons: `name_timeout`, `name_error`, `name_resting`,
            `name_refused`.
        budget_seconds: Longest wait for a call.
        failures: Failures in a row after which the dependency rests.
        rest_seconds: Longest rest. The first is a twentieth of it, each next one twice the last,
            so that a moment of overload costs little and an outage is not asked about often.
            After a rest a single call probes: by its neutral question where it has one.
        threads: Calls in flight at once; a call that finds none free waits within its budget.
    """

    def __init__(
        self,
        name: str,
        budget_seconds: float,
        *,
        failures: int,
        rest_seconds: float,
        threads: int = 16,
    ) -> None:
        self.name = name
        self._budget = budget_seconds
        self._failures = failures
        self._longest_rest = rest_seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"breaker-{name}")
        self._lock = threading.Lock()
        self._failed = 0
        self._rests = 0
        self._resting_until = 0.0
        self._judging = False

    def call(
        self,
        work: Callable[[], T],
        neutral: Callable[[], object] | None = None,
        *,
        bounded: bool = False,
    ) -> T:
        """Run `work` within the budget.

        Args:
            work: Asks the dependency.
            neutral: Asks it of nobody and nothing in particular. Where it is answered, failures
                are those of single keys or messages, and the dependency goes on being asked.
            bounded: Whether both keep to the budget by themselves, and raise TimeoutError where
                they cannot: then they run in the caller's own thread.

        Raises:
            CallRefused: The fault is of this one event, filter or user: it counts neither as a
                failure of the dependency nor as an answer.
            CallFailed: It took too long, failed, or the dependency is resting.
        """
        probe = self._admit()
        if probe and neutral is not None:
            if not self._answers(neutral, bounded):
                self._note_failure(None, probe)
                raise CallFailed(f"{self.name}_resting")
            self._note_answer()
            probe = False
        try:
            result = self._asked(work, bounded)
        except _Late as late:
            self._note_failure(late.__cause__, probe, neutral, bounded)
            raise CallFailed(f"{self.name}_timeout") from late.__cause__
        except _NO_OUTAGE as error:
            if probe:
                self._probe_again()
            raise CallRefused(f"{self.name}_refused", error) from error
        except Exception as error:
            self._note_failure(error, probe, neutral, bounded)
            raise CallFailed(f"{self.name}_error") from error
        self._note_answer()
        return result

    def close(self) -> None:
        """Let go of the threads; calls in flight end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _asked(self, work: Callable[[], T], bounded: bool) -> T:
        """What the work gives within the budget; raises _Late, or what the work raises.

        Where this process has more to do than cores to do it with, the work waits for its turn as
        this thread does. So the later this thread comes back from a tick, the less of it is
        counted: else a service with much to do would take a store for slow.
        """
        if bounded:
            try:
                return work()
            except TimeoutError as error:
                raise _Late from error
        future = self._pool.submit(work)
        tick, left = self._budget / _TICKS, self._budget
        begun = time.monotonic()
        end = begun + _LONGEST * self._budget
        try:
            while True:
                try:
                    return future.result(timeout=tick)
                except TimeoutError as error:
                    if future.done():  # the work itself raised it
                        raise
                    now = time.monotonic()
                    left -= tick * tick / max(tick, now - begun)
                    begun = now
                    if left < tick / 2 or now >= end:
                        future.cancel()
                        raise _Late from error
        finally:
            # A future and the error that was raised from it hold each other: what the error's
            # frames hold, such as a cursor, would stay until the collector comes by.
            del future

    def _admit(self) -> bool:
        """Let a call through or refuse it; returns whether it probes a resting dependency."""
        with self._lock:
            if self._failed < self._failures:
                return False
            now = time.monotonic()
            if now < self._resting_until:
                raise CallFailed(f"{self.name}_resting")
            # This call probes; the others go on resting until it has come back.
            self._resting_until = now + self._budget + _FIRST_SHARE * self._longest_rest
            return True

    def _probe_again(self) -> None:
        """A probe that says nothing of the dependency: the next call probes."""
        with self._lock:
            self._resting_until = time.monotonic()

    def _answers(self, neutral: Callable[[], object], bounded: bool) -> bool:
        """Whether the dependency answers a question that no key or message can spoil."""
        try:
            self._asked(neutral, bounded)
        except Exception:
            return False
        return True

    def _note_answer(self) -> None:
        with self._lock:
            self._failed = self._rests = 0

    def _note_failure(
        self,
        error: BaseException | None,
        probe: bool,
        neutral: Callable[[], object] | None = None,
        bounded: bool = False,
    ) -> None:
        with self._lock:
            judged = self._judging  # by another call that failed beside this one
            judges = not judged and neutral is not None and self._failed + 1 == self._failures
            self._judging |= judges
        # A failing call may be the only one: it asks itself, and waits a second budget for that.
        down = not (judges and neutral is not None and self._answers(neutral, bounded))
        with self._lock:
            if judges:
                self._judging = False
            if not judged:
                self._failed = self._failed + 1 if down else 0
            # Calls that were in flight together fail together: that is one outage, one rest.
            rests = probe or (not judged and down and self._failed == self._failures)
            if rests:
                share = min(1.0, _FIRST_SHARE * 2.0**self._rests)
                self._rests += 1
                self._resting_until = time.monotonic() + share * self._longest_rest
        _log.warning(
            "dependency_failed",
            dependency=self.name,
            error=f"{type(error).__name__}: {error}"[:500] if error else "no neutral answer",
            rests=rests,
        )
