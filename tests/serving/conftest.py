"""A published folder by the real parts, and `colisten serve` as a process on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.conftest import ServedHome

START_SECONDS = 180.0
Home = ServedHome


@dataclass(frozen=True)
class Service:
    """A running `colisten serve`."""

    process: subprocess.Popen[bytes]
    url: str
    home: Home
    log: Path

    def post(self, path: str, **body: object) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, timeout=30)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=30)


@pytest.fixture(scope="session")
def home(served_home: Home) -> Home:
    return served_home


@pytest.fixture(scope="session")
def service(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = start(home, tmp_path_factory.mktemp("serve") / "log", "serving.debug_vectors=true")
    yield started
    stop(started)


def launch(
    home: Home,
    log: Path,
    *overrides: str,
    workers: int = 1,
) -> Service:
    """Start the service on a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "colisten", "serve", "--out", str(home.folder)]
    command += ["--port", str(port), "--workers", str(workers)]
    # Budgets are for a machine of one's own; here everything shares two cores with the tests.
    patient = (
        *("serving.features_budget_ms=2000", "serving.search_budget_ms=2000"),
        *("serving.deadline_ms=30000", "serving.event_deadline_ms=30000"),
    )
    quick = ("serving.follow_seconds=0.1", "serving.drain_seconds=0.2")
    for override in (*patient, *quick, *overrides):
        command += ["--set", override]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    return Service(process, f"http://127.0.0.1:{port}", home, log)


def start(
    home: Home, log: Path, *overrides: str, seconds: float = START_SECONDS, workers: int = 1
) -> Service:
    """Start the service on a free loopback port and wait until it is ready."""
    started = launch(home, log, *overrides, workers=workers)
    end = time.monotonic() + seconds
    while time.monotonic() < end and started.process.poll() is None:
        try:
            if started.get("/readyz").status_code == 200:
                return started
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    stop(started)
    raise AssertionError(f"The service did not start:\n{log.read_text()[-4000:]}")


def stop(service: Service) -> int:
    """End the service as an operator would; returns its exit code."""
    if service.process.poll() is None:
        os.kill(service.process.pid, signal.SIGTERM)
    try:
        return service.process.wait(60)
    except subprocess.TimeoutExpired:
        service.process.kill()
        service.process.wait()
        raise
