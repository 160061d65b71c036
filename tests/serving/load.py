"""A process that has more to compute than cores to do it with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def busy(threads: int) -> Iterator[None]:
    """This process has so much else to compute."""
    ended = threading.Event()

    def compute() -> None:
        while not ended.is_set():
            sum(range(1000))

    others = [threading.Thread(target=compute) for _ in range(threads)]
    for one in others:
        one.start()
    try:
        yield
    finally:
        ended.set()
        for one in others:
            one.join()
