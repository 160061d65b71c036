"""Make things before they are asked for, in order, on threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(
    make: Callable[[int], T], numbers: Iterable[int], workers: int, depth: int
) -> Iterator[T]:
    """`make(number)` for each number, in order.

    Args:
        workers: Threads; 0 makes each when it is asked for.
        depth: Results ready or in the making at most, at least one per worker.
    """
    if not workers:
        for number in numbers:
            yield make(number)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="colisten-loader")
    waiting: deque[Future[T]] = deque()
    try:
        for number in numbers:
            waiting.append(pool.submit(make, number))
            if len(waiting) >= max(depth, workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # A loop that was left early waits for what is in the making and starts no more.
        pool.shutdown(wait=True, cancel_futures=True)
