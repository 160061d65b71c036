"""A process that asks over HTTP for another one, and has loaded nothing else for it.

with client() as asking:
    answers = asking.ask(requests, Closed(8, 5.0))
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, cast

from benchmarks.http_load import Answers, Closed, Label, Paced, Requests, asked
from benchmarks.shelf_labels import rung


class Client:
    """Asks in a process of its own; see `client`.

    Args:
        process: What runs this module at the other end of a connection.
    """

    def __init__(self, process: Connection[Any, Any]) -> None:
        self._process = process
        self._thread = ThreadPoolExecutor(1)

    def start(
        self, requests: Requests, way: Closed | Paced, label: Label = rung
    ) -> Future[Answers]:
        """Begin to ask; `label` is a function of a module that this one may load."""
        return self._thread.submit(self._done, requests, way, label)

    def ask(self, requests: Requests, way: Closed | Paced, label: Label = rung) -> Answers:
        """Ask, and wait until it is over."""
        return self.start(requests, way, label).result()

    def _done(self, *job: Any) -> Answers:
        self._process.send(job)
        return cast(Answers, self._process.recv())


@contextmanager
def client() -> Iterator[Client]:
    """One process that asks."""
    ours, theirs = Pipe()
    # Not by multiprocessing itself, which would load again whatever this process began with.
    command = [sys.executable, "-m", __name__, str(theirs.fileno())]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        try:
            yield Client(ours)
        finally:
            process.terminate()


def serve(connection: Connection[Any, Any]) -> None:
    """Ask for whatever comes in, one after the other, until there is no more."""
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(asked(*job))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
