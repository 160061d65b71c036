"""A published folder by the real parts, and `colisten serve` as a process on it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from colisten.index import ExactIndex
from colisten.release.store import ReleaseStore
from colisten.serving.environment import Environment
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests import planted
from tests.calls import recording
from tests.conftest import CUT, ServedHome
from tests.release.payloads import make_parts

START_SECONDS = 180.0
CONNECTIONS = 60
"""Places of the service `narrow`."""
Home = ServedHome
BARE = load_settings(None, ("index.backend=exact", "serving.follow_seconds=0.05"))


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


@dataclass(frozen=True)
class Guarded:
    """A service that asks for a token, has a port for operators, and waits for nobody.

    Attributes:
        operators: The URL of that port.
        headers: What shows the token.
        calls: Whom its processes called (`tests/calls.py`).
    """

    service: Service
    operators: str
    headers: dict[str, str]
    calls: Path


@pytest.fixture(scope="session")
def home(served_home: Home) -> Home:
    return served_home


@pytest.fixture(scope="session")
def service(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = start(home, tmp_path_factory.mktemp("serve") / "log", "serving.debug_vectors=true")
    yield started
    stop(started)


@pytest.fixture(scope="session")
def guarded(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text("a-token-of-the-tests\n")
    operators = free_port()
    started = start(
        home,
        folder / "log",
        *(f"serving.token_file={folder / 'token'}", f"serving.operator_port={operators}"),
        *("serving.idle_seconds=1", "serving.keep_alive_seconds=1", "serving.body_seconds=1"),
        environment=recording(folder / "calls"),
    )
    shows = {"Authorization": "Bearer a-token-of-the-tests"}
    yield Guarded(started, f"http://127.0.0.1:{operators}", shows, folder / "calls")
    stop(started)


@pytest.fixture(scope="session")
def narrow(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that waits for nobody."""
    started = start(
        home,
        tmp_path_factory.mktemp("narrow") / "log",
        *("serving.idle_seconds=1", "serving.keep_alive_seconds=6", "serving.body_seconds=1.5"),
        f"serving.max_connections={CONNECTIONS}",
        "serving.waiting=8",
    )
    yield started
    stop(started)


@pytest.fixture(scope="session")
def published(
    tiny_history: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ReleaseStore, ExactIndex, list[str]]:
    """Two releases of hand-made towers in a folder without a feature store."""
    folder = tmp_path_factory.mktemp("published")
    store, index = ReleaseStore(folder / "out"), ExactIndex(folder / "out" / "index" / "exact")
    ids = []
    for seed in (0, 1):
        parts = make_parts(folder / str(seed), tiny_history, CUT, seed=seed)
        ids.append(store.publish(parts.payload(folder / f"payload-{seed}"), index))
    store.promote(ids[0], index)
    return store, index, ids


@pytest.fixture
def runtime(published: tuple[ReleaseStore, ExactIndex, list[str]]) -> Iterator[Runtime]:
    store, index, ids = published
    if store.live() != ids[0]:
        store.promote(ids[0], index)
    opened = Runtime.open(Environment(store.root, BARE))
    yield opened
    opened.close()


def launch(
    home: Home,
    log: Path,
    *overrides: str,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Service:
    """Start the service on a free loopback port."""
    port = free_port()
    command = [sys.executable, "-m", "colisten", "serve", "--out", str(home.folder)]
    command += ["--port", str(port), "--workers", str(workers)]
    # Budgets are for a machine of one's own; here everything shares two cores with the tests.
    patient = (
        *("serving.features_budget_ms=2000", "serving.search_budget_ms=2000"),
        *("serving.deadline_ms=30000", "serving.event_deadline_ms=30000"),
        "serving.events_a_second=100000",
    )
    quick = ("serving.follow_seconds=0.1", "serving.drain_seconds=0.2")
    named = f"features.redis={planted.REDIS}"
    for override in (*patient, *quick, named, *overrides):
        command += ["--set", override]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **planted.VARIABLES, **(environment or {})},
        )
    return Service(process, f"http://127.0.0.1:{port}", home, log)


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(
    home: Home,
    log: Path,
    *overrides: str,
    seconds: float = START_SECONDS,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Service:
    """Start the service on a free loopback port and wait until it is ready."""
    return ready(launch(home, log, *overrides, workers=workers, environment=environment), seconds)


def ready(started: Service, seconds: float = START_SECONDS) -> Service:
    """Wait until a service that was started is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and started.process.poll() is None:
        try:
            if started.get("/readyz").status_code == 200:
                return started
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    stop(started)
    raise AssertionError(f"The service did not start:\n{started.log.read_text()[-4000:]}")


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
