"""A real Triton server on loopback, from PyPI, that a test may kill, stop and start again."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from colisten.triton.start import HOST, Ports, package_command

_START_SECONDS = 60.0


class TritonServer:
    """A server on a repository, with the same ports in each of its lives.

    Args:
        repository: Folder of models; made where it is missing.
        work: Where its backends and its log lie.
    """

    def __init__(self, repository: Path, work: Path) -> None:
        if importlib.util.find_spec("pytriton") is None:
            pytest.skip("the package `nvidia-pytriton`, which carries the server, is not there")
        repository.mkdir(parents=True, exist_ok=True)
        self._command = package_command(repository, work, Ports(*_free_ports(3)))
        port = next(one for one in self._command.arguments if one.startswith("--http-port="))
        self.url = f"http://{HOST}:{port.partition('=')[2]}"
        self.log = work / "triton.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command.arguments,
                env=os.environ | self._command.variables | {"OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/v2/health/live", timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        self.kill()
        raise AssertionError(f"Triton did not start:\n{self.log.read_text()[-3000:]}")

    def models(self) -> list[str]:
        """Names of the models that are ready."""
        index = httpx.post(f"{self.url}/v2/repository/index", json={}, timeout=10).json()
        return sorted(one["name"] for one in index if one.get("state") == "READY")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and to its backends, which are processes of its own."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it as a crash would, stopped or not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
        self._process.wait(30)
        self._process = None


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
