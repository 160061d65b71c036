"""The service as processes of its own, beside a Redis or a Milvus server of its own.

CPU and memory are read of its workers alone: the client's and a neighbour's are counted apart.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psutil

from colisten.json_files import parse_json

RECOMMEND, EVENTS, RELEASE = "/v1/recommend", "/v1/events", "/v1/release"
START_SECONDS, END_SECONDS = 120.0, 60.0
_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Process:
    """A service that listens on loopback.

    Attributes:
        first: The process that started the workers.
        port: Where it listens.
        log: What it says.
        begun: Moment of `time.perf_counter` at which it was started.
    """

    first: psutil.Process
    port: int
    log: Path
    begun: float

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[psutil.Process]:
        """Processes that answer, in the order in which they were started."""
        found = []
        for each in self.first.children(recursive=True):
            try:
                if any("colisten.serving.service" in part for part in each.cmdline()):
                    found.append(each)
            except psutil.Error:  # it has just ended
                continue
        return found or [self.first, *self.first.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Of its workers so far."""
        times = [each.cpu_times() for each in self.workers()]
        return float(sum(each.user + each.system for each in times))

    def memory_mb(self) -> list[int]:
        """Of each worker what is its own, and its part of what it shares."""
        return [round(each.memory_full_info().pss / 2**20) for each in self.workers()]

    def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        """One request by itself."""
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=30)

    def status(self, path: str) -> int | None:
        """Of a GET; None where nobody listens."""
        try:
            return httpx.get(f"{self.url}{path}", timeout=10).status_code
        except httpx.TransportError:
            return None

    def answers(self, path: str, body: dict[str, Any], *, holds: str = "") -> bool:
        """Whether a POST is answered by 200 and a body that holds a text."""
        try:
            answer = self.post(path, body)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and holds in answer.text

    def wait_for_workers(self, count: int) -> None:
        """Return once so many workers serve what is live."""
        wait_until(lambda: self.status("/readyz") == 200, self)
        wait_until(lambda: self.metric("colisten_parts_well", part="release") == count, self)

    def release(self) -> dict[str, Any]:
        """What the worker says that happens to answer."""
        told: dict[str, Any] = parse_json(httpx.get(f"{self.url}{RELEASE}", timeout=30).content)
        return told

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric over the series with these labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=30).text
        total = 0.0
        for line in text.splitlines():
            series, _, value = line.rpartition(" ")
            found = dict(re.findall(r'(\w+)="([^"]*)"', series))
            if series.partition("{")[0] == name and labels.items() <= found.items():
                total += float(value)
        return total


@contextmanager
def colisten(
    home: Path,
    settings: Sequence[str] = (),
    *,
    workers: int = 2,
    ready: bool = True,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Process]:
    """`colisten serve` on a folder.

    Args:
        home: The folder that `colisten run --out` made.
        settings: `--set` of each.
        workers: Processes that answer.
        ready: Whether to wait until every one of them answers.
        environment: Variables besides this process's own.
    """
    command = [sys.executable, "-m", "colisten", "serve", "--out", str(home)]
    command += ["--workers", str(workers)]
    for each in settings:
        command += ["--set", each]
    with listening(lambda port: [*command, "--port", str(port)], environment) as process:
        if ready:
            process.wait_for_workers(workers)
        yield process


@contextmanager
def listening(
    command: Callable[[int], Sequence[str]], environment: Mapping[str, str]
) -> Iterator[Process]:
    """A server of HTTP by the command for a port, ended as an operator would."""
    port = free_port()
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        started = subprocess.Popen(
            command(port),
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
        first = psutil.Process(started.pid)
        try:
            yield Process(first, port, Path(log.name), time.perf_counter())
        finally:
            _end(started, first)


def wait_until(
    true: Callable[[], bool],
    process: Process | None = None,
    seconds: float = START_SECONDS,
    *,
    look_seconds: float = _LOOK_SECONDS,
) -> float:
    """Seconds until something is so, by looking every `look_seconds`.

    Raises:
        RuntimeError: It is not in time; with the last words of the process.
    """
    started = time.perf_counter()
    while not true():
        if time.perf_counter() - started > seconds:
            words = "" if process is None else process.log.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"It does not come true within {seconds:g} s.\n{words}")
        time.sleep(look_seconds)
    return time.perf_counter() - started


class Redis:
    """A Redis on loopback that keeps nothing on disk.

    Attributes:
        address: Where it listens, also after `start` has followed an end.
        process: What runs now.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Start it, empty."""
        binary = shutil.which("redis-server")
        if binary is None:
            raise RuntimeError("redis-server is not installed.")
        command = [binary, "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        server = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL)
        self.process = psutil.Process(server.pid)
        self._server = server
        wait_until(lambda: _listens(self._port))

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._server.kill()
        self._server.wait(END_SECONDS)


@contextmanager
def redis(folder: Path) -> Iterator[Redis]:
    """A Redis of one's own."""
    server = Redis(folder)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def milvus(folder: Path) -> Iterator[tuple[str, psutil.Process] | None]:
    """A Milvus server on loopback; None where the package that carries it is not installed."""
    if importlib.util.find_spec("milvus") is None:
        yield None
        return
    from milvus import default_server

    default_server.listen_port = free_port()
    default_server.set_base_dir(str(folder))
    default_server.start()
    try:
        address = f"http://127.0.0.1:{default_server.listen_port}"
        yield address, psutil.Process(default_server.server_proc.pid)
    finally:
        default_server.stop()


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU of a process and its children so far."""
    family = [process, *process.children(recursive=True)]
    times = [each.cpu_times() for each in family]
    return float(sum(each.user + each.system for each in times))


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(started: subprocess.Popen[Any], first: psutil.Process) -> None:
    family = first.children(recursive=True)
    for each in family:  # whatever a benchmark has stopped
        if each.is_running():
            each.send_signal(signal.SIGCONT)
    started.send_signal(signal.SIGTERM)
    try:
        started.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        started.kill()
    for each in family:
        if each.is_running():
            each.kill()
