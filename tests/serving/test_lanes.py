"""So many requests in work, so many waiting, the rest refused at once."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain
from typing import Any

import pytest
from prometheus_client import REGISTRY

from colisten.serving.lanes import Busy, Lane, Together, TooLate


class Gate:
    """Work that goes on until it is let through."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self) -> str:
        self.begun.release()
        assert self.opened.wait(30)
        return "done"


def run(test: Callable[[Lane, Gate], Coroutine[Any, Any, None]]) -> None:
    lane, gate = Lane("test", 2), Gate()
    try:
        asyncio.run(asyncio.wait_for(test(lane, gate), 60))
    finally:
        gate.opened.set()
        lane.close()


async def fill(lane: Lane, gate: Gate, number: int) -> list[asyncio.Task[str]]:
    tasks = [
        asyncio.create_task(lane.run(gate, deadline=math.inf, most_waiting=100))
        for _ in range(number)
    ]
    for _ in range(min(number, 2)):
        assert await asyncio.to_thread(gate.begun.acquire, True, 30)
    return tasks


def test_who_finds_the_queue_full_is_refused_and_the_rest_is_done() -> None:
    async def test(lane: Lane, gate: Gate) -> None:
        tasks = await fill(lane, gate, 5)
        for most in (0, 3):
            with pytest.raises(Busy) as caught:
                await lane.run(gate, deadline=math.inf, most_waiting=most)
            assert caught.value.retry_seconds >= 1
        last = asyncio.create_task(lane.run(gate, deadline=math.inf, most_waiting=4))
        await asyncio.sleep(0)
        gate.opened.set()
        assert await asyncio.gather(*tasks, last) == ["done"] * 6

    run(test)


def test_who_is_in_work_or_waits_is_counted_and_who_has_gone_is_not() -> None:
    def in_progress() -> float | None:
        return REGISTRY.get_sample_value("colisten_requests_in_progress", {"lane": "test"})

    async def test(lane: Lane, gate: Gate) -> None:
        tasks = await fill(lane, gate, 5)
        assert in_progress() == 5
        with pytest.raises(Busy):
            await lane.run(gate, deadline=math.inf, most_waiting=0)
        assert in_progress() == 5, "a refusal is no work"
        tasks[4].cancel()
        await asyncio.sleep(0)
        assert in_progress() == 4
        gate.opened.set()
        await asyncio.gather(*tasks[:4])
        assert in_progress() == 0
        assert await lane.run(lambda: "free", deadline=math.inf, most_waiting=0) == "free"

    run(test)


def test_the_deadline_is_kept_and_what_has_not_begun_is_never_done() -> None:
    async def test(lane: Lane, gate: Gate) -> None:
        tasks = await fill(lane, gate, 2)
        done: list[int] = []
        started = time.monotonic()
        for at in range(3):
            with pytest.raises(TooLate):
                await lane.run(
                    lambda at=at: done.append(at),  # type: ignore[misc]
                    deadline=time.monotonic() + 0.1,
                    most_waiting=5,
                )
        with pytest.raises(TooLate):
            await lane.run(lambda: None, deadline=time.monotonic() - 1, most_waiting=5)
        assert time.monotonic() - started < 10
        gate.opened.set()
        await asyncio.gather(*tasks)
        await lane.run(lambda: None, deadline=math.inf, most_waiting=0)
        assert done == []

    run(test)


def test_work_that_has_begun_holds_its_thread_after_its_deadline() -> None:
    async def test(lane: Lane, gate: Gate) -> None:
        for _ in range(2):
            with pytest.raises(TooLate):
                await lane.run(gate, deadline=time.monotonic() + 0.3, most_waiting=0)
        with pytest.raises(Busy):
            await lane.run(lambda: None, deadline=math.inf, most_waiting=0)
        gate.opened.set()
        for _ in range(500):
            try:
                await lane.run(lambda: None, deadline=math.inf, most_waiting=0)
            except Busy:
                await asyncio.sleep(0.01)
            else:
                return
        pytest.fail("the threads never came back")

    run(test)


@pytest.mark.undisturbed
def test_who_cannot_be_served_in_time_is_told_at_once() -> None:
    async def test(lane: Lane, gate: Gate) -> None:
        await lane.run(lambda: time.sleep(0.5), deadline=math.inf, most_waiting=0)
        tasks = await fill(lane, gate, 4)
        started = time.monotonic()
        # Two wait before it: it would begin after half a second and end after a whole one.
        with pytest.raises(Busy):
            await lane.run(gate, deadline=time.monotonic() + 0.9, most_waiting=100)
        # Its deadline is nearer than any answer, whoever waits.
        with pytest.raises(TooLate):
            await lane.run(gate, deadline=time.monotonic() + 0.3, most_waiting=100)
        assert time.monotonic() - started < 0.25
        gate.opened.set()
        await asyncio.gather(*tasks)

    run(test)


def test_one_slow_minute_is_not_remembered_for_ever() -> None:
    async def test(lane: Lane, _: Gate) -> None:
        await lane.run(lambda: time.sleep(0.5), deadline=math.inf, most_waiting=0)
        for _again in range(3):
            # Nearer than the usual time; but nobody is before it.
            got = await lane.run(lambda: "quick", deadline=time.monotonic() + 0.4, most_waiting=0)
            assert got == "quick"

    run(test)


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError("its own"), Busy(3)])
def test_errors_of_the_work_come_as_they_are(error: Exception) -> None:
    async def test(lane: Lane, _: Gate) -> None:
        def fails() -> None:
            raise error

        for deadline in (math.inf, time.monotonic() + 30):
            with pytest.raises(type(error)) as caught:
                await lane.run(fails, deadline=deadline, most_waiting=0)
            assert caught.value.args == error.args

    run(test)


def test_callers_that_go_away_leave_no_place_taken() -> None:
    async def test(lane: Lane, gate: Gate) -> None:
        tasks = await fill(lane, gate, 6)
        for task in tasks[2:]:
            task.cancel()
        await asyncio.gather(*tasks[2:], return_exceptions=True)
        late = asyncio.create_task(lane.run(gate, deadline=math.inf, most_waiting=1))
        await asyncio.sleep(0.01)
        assert not late.done()
        gate.opened.set()
        assert await late == "done"

    run(test)


class Squares:
    """Squares numbers, several at once, and remembers which came together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    def of_all(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append([*numbers])
        return [ValueError(number) if number < 0 else number**2 for number in numbers]

    def of(self, number: int, *, most: int = 3) -> Together[int, int]:
        return Together(Squares.of_all, self, number, most)


def test_what_waits_together_is_done_together_and_each_has_its_own_outcome() -> None:
    async def test(lane: Lane, gate: Gate) -> None:
        squares, others = Squares(), Squares()
        held = await fill(lane, gate, 1)
        held += await fill(lane, gate, 1)
        work = [squares.of(1), others.of(9), squares.of(-2), squares.of(3), squares.of(4)]
        tasks = []
        for one in work:
            task = asyncio.create_task(lane.run(one, deadline=math.inf, most_waiting=9))
            tasks.append(task)
            await asyncio.sleep(0)
        gate.opened.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*held)
        assert [found[at] for at in (0, 1, 3, 4)] == [1, 81, 9, 16]
        assert isinstance(found[2], ValueError)
        # No more than three at once, in the order of arrival, and no other's among them.
        assert all(len(group) <= 3 for group in squares.groups)
        assert sorted(chain(*squares.groups)) == [-2, 1, 3, 4]
        assert len(squares.groups) < 4
        assert others.groups == [[9]]

    run(test)


@pytest.mark.undisturbed
def test_threads_without_work_get_their_share_of_what_waits() -> None:
    class Slow(Squares):
        def of_all(self, numbers: Sequence[int]) -> list[int | Exception]:
            time.sleep(0.2)
            return super().of_all(numbers)

    async def test(lane: Lane, _: Gate) -> None:
        slow = Slow()
        tasks = [
            lane.run(Together(Slow.of_all, slow, at, 16), deadline=math.inf, most_waiting=9)
            for at in range(2)
        ]
        started = time.monotonic()
        assert await asyncio.gather(*tasks) == [0, 1]
        assert time.monotonic() - started < 0.39

    run(test)


def test_who_comes_too_late_is_left_out_of_what_is_done_together() -> None:
    async def test(lane: Lane, gate: Gate) -> None:
        squares = Squares()
        held = await fill(lane, gate, 2)
        soon = time.monotonic() + 0.1
        tasks = [
            asyncio.create_task(lane.run(squares.of(at), deadline=end, most_waiting=9))
            for at, end in enumerate([math.inf, soon, math.inf])
        ]
        with pytest.raises(TooLate):
            await tasks[1]
        gate.opened.set()
        assert await tasks[0] == 0
        assert await tasks[2] == 4
        await asyncio.gather(*held)
        assert 1 not in chain(*squares.groups)

    run(test)


def test_a_fault_of_what_is_done_together_is_everybodys() -> None:
    class Broken(Squares):
        def of_all(self, numbers: Sequence[int]) -> list[int | Exception]:
            raise RuntimeError("broken")

    async def test(lane: Lane, _: Gate) -> None:
        broken = Broken()
        for _again in range(2):
            with pytest.raises(RuntimeError, match="broken"):
                await lane.run(
                    Together(Broken.of_all, broken, 1, 3), deadline=math.inf, most_waiting=0
                )

    run(test)
