"""A Triton server of one's own on loopback, where the library and the package have one."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.serving_process import END_SECONDS, free_port, wait_until

STARTER = "colisten.triton.start"


def here() -> bool:
    """Whether a server can be started: the library knows how, and the package carries one."""
    known = find_spec("colisten.triton") is not None
    return known and find_spec("pytriton") is not None


class Triton:
    """A server with the same ports in each of its lives.

    Args:
        repository: Folder of models; made where it is missing.
        work: Where its backends and its log lie.
    """

    def __init__(self, repository: Path, work: Path) -> None:
        starter: Any = import_module(STARTER)
        repository.mkdir(parents=True, exist_ok=True)
        ports = [free_port() for _ in range(3)]
        self._command = starter.package_command(repository, work, starter.Ports(*ports))
        self._log = work / "triton.log"
        self.repository = repository
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                self._command.arguments,
                env=os.environ | self._command.variables | {"OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.process = psutil.Process(self._server.pid)
        wait_until(self._lives)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and its backends."""
        os.killpg(self._server.pid, number)

    def kill(self) -> None:
        """End it and its backends as a crash would, stopped or not."""
        if self._server.poll() is None:
            self.send(signal.SIGKILL)
        self._server.wait(END_SECONDS)

    def settings(self) -> list[str]:
        """What a service is told."""
        told = ["serving.tower=triton", f"triton.url={self.url}"]
        return [*told, f"triton.repository={self.repository}"]

    def _lives(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v2/health/live", timeout=1).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def triton(work: Path) -> Iterator[Triton | None]:
    """A server on an empty repository; None where there is none to be had."""
    if not here():
        yield None
        return
    work.mkdir(parents=True, exist_ok=True)
    server = Triton(work / "models", work)
    try:
        yield server
    finally:
        server.kill()
