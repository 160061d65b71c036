"""Events that come at once: 10,000 of 50 users over four workers, on SQLite and on Redis.

Every event is sent twice, as by a client that lost the answer, while another client sends events
that no history may hold. Counted is what the store holds afterwards.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

import colisten
from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.features.events import Event
from colisten.features.store import OnlineFeatures
from colisten.json_files import parse_json
from colisten.settings.tree import load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.use_cases.release import promote_release

NAME = "online_events"
STORES = ("sqlite", "redis")
USERS, EVENTS, WORKERS, CLIENTS, SHELVES = 50, 10_000, 4, 16, 200
WORLD = WorldSettings(users=300, audiobooks=400, podcasts=400, days=120)
SMALL = (
    "hgnn.max_steps=4",
    "hgnn.evaluate_every=2",
    "cross_fitting.folds=2",
    "towers.epochs=1",
    "towers.min_steps=0",
    "evaluation.baselines=false",
    "index.backend=exact",
    f"features.history_length={EVENTS // USERS + 100}",
)
PATIENT = ("serving.features_budget_ms=2000", "serving.search_budget_ms=2000")


def run() -> None:
    """Both stores, in turn."""
    rows = {}
    for store in STORES:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            settings = [*SMALL]
            if store == "redis":
                address = stack.enter_context(_redis(Path(folder)))
                settings += ["features.online_store=redis", f"features.redis={address}"]
            out = Path(folder) / "out"
            _release(Path(folder), out, settings)
            rows[store] = stack.enter_context(_service(out, settings)).measure()
        print(f"{store}: {rows[store]}")
    write_result(NAME, {**machine(), "workers": WORKERS, "clients": CLIENTS, "rows": rows})


class Service:
    """A running service and what is sent to it.

    Args:
        out: Its folder.
        url: Where it listens.
        pid: Of its first process.
    """

    def __init__(self, out: Path, url: str, pid: int) -> None:
        self.url = url
        self._release = colisten.load_release(out)
        self._out = out
        self._process = psutil.Process(pid)
        self._client = httpx.Client(timeout=30, limits=httpx.Limits(max_connections=64))
        loaded = self._release.loaded
        self._items = loaded.item_ids[loaded.target].tolist()

    def measure(self) -> dict[str, Any]:
        """Send all events twice, check what is kept, then how soon a shelf changes."""
        events = self._events()
        sent = [*events, *events]
        random.Random(0).shuffle(sent)
        poison = _Poison(self)
        before, started = self._cpu(), time.perf_counter()
        with poison, ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(self._send, sent))
        seconds = time.perf_counter() - started
        cpu = self._cpu() - before
        latencies = np.array([took for _, took, _ in answers]) * 1e3
        return {
            "events": len(events),
            "accepted_as_new": sum(new for new, _, _ in answers),
            "kept": self._kept(events),
            "sent_again_after_503": sum(again for _, _, again in answers),
            "poison_refused": dict(poison.answers),
            "requests_per_second": round((len(sent) + poison.answers.total()) / seconds),
            "cpu_ms_per_request": round(1e3 * cpu / (len(sent) + poison.answers.total()), 2),
            "latency_ms": _quantiles(latencies),
            "event_to_changed_shelf_ms": self._to_shelf(),
        }

    def _events(self) -> list[Event]:
        start = _moment()
        return [
            Event(
                f"listener-{user}",
                self._items[at % len(self._items)],
                self._release.manifest.target_type,
                "stream",
                start + timedelta(milliseconds=at),
            )
            for user in range(USERS)
            for at in range(EVENTS // USERS)
        ]

    def _send(self, event: Event) -> tuple[bool, float, int]:
        """Whether it was new, how long the answer took, and how often it was sent again."""
        body = {**vars(event), "timestamp": event.timestamp.isoformat()}
        for again in range(100):
            started = time.perf_counter()
            answer = self._client.post(f"{self.url}/v1/events", json=body)
            took = time.perf_counter() - started
            if answer.status_code == 200:
                return bool(parse_json(answer.content)["new"]), took, again
            if answer.status_code != 503:
                raise RuntimeError(answer.text)
        raise RuntimeError(f"Never stored: {body}")

    def _kept(self, events: list[Event]) -> int:
        """How many events are held exactly once; raises where anything else is held."""
        loaded = self._release.loaded
        store = OnlineFeatures(self._out / "features", loaded.index_of, loaded.spec.fields)
        users = sorted({event.user_id for event in events})
        batch = store.read(users)
        history = batch.histories[self._release.manifest.target_type]
        owner = np.repeat(np.array(users, dtype=object), history.counts)
        held = Counter(zip(owner, loaded.item_ids[history.items], history.times, strict=True))
        expected = Counter((each.user_id, each.item_id, each.time) for each in events)
        if held - expected:
            raise RuntimeError(f"Held without being sent, or twice: {held - expected}")
        return (held & expected).total()

    def _to_shelf(self) -> dict[str, float]:
        """From sending a start of the shelf's first title to a shelf without it, by one client."""
        took, user, at = [], "reader", _moment() + timedelta(minutes=1)
        for number in range(SHELVES):
            first = self._shelf(user)[0]
            started = time.perf_counter()
            kind = self._release.manifest.target_type
            self._send(Event(user, first, kind, "stream", at + timedelta(seconds=number)))
            if first in self._shelf(user):
                raise RuntimeError(f"{first} came back.")
            took.append(1e3 * (time.perf_counter() - started))
        return _quantiles(np.array(took))

    def _shelf(self, user: str) -> list[str]:
        asked = self._client.post(f"{self.url}/v1/recommend", json={"user_id": user})
        answer = parse_json(asked.content)
        return [item["item_id"] for item in answer["items"]]

    def _cpu(self) -> float:
        """Seconds of the service's processes so far."""
        times = [each.cpu_times() for each in self._process.children(recursive=True)]
        return float(sum(each.user + each.system for each in times))


class _Poison:
    """A client that sends events of 1969 for as long as others send theirs."""

    def __init__(self, service: Service) -> None:
        self.answers: Counter[int] = Counter()
        self._url = f"{service.url}/v1/events"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        body = {"user_id": "poison", "item_id": "any", "item_type": "audiobook"}
        body |= {"signal": "stream", "timestamp": "1969-12-31T00:00:00Z"}
        with httpx.Client(timeout=30) as client:
            while not self._over.is_set():
                self.answers[client.post(self._url, json=body).status_code] += 1


def _release(folder: Path, out: Path, settings: list[str]) -> None:
    window = world_window(folder / "world", simulate(folder / "world", WORLD))
    made = colisten.run(
        window.data, window.cut, out, load_settings(None, tuple(settings)), window_days=window.days
    )
    if not made.promoted:  # what it recommends is not what is measured
        promote_release(out, made.release_id)


@contextmanager
def _service(out: Path, settings: list[str]) -> Iterator[Service]:
    port = _free_port()
    command = [sys.executable, "-m", "colisten", "serve", "--out", str(out), "--port", str(port)]
    command += ["--workers", str(WORKERS)]
    for each in (*settings, *PATIENT):
        command += ["--set", each]
    with (out / "service.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        time.sleep(5)  # the last of the workers
        yield Service(out, url, process.pid)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    port = _free_port()
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("redis-server is not installed.")
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {f"p{at}": round(float(np.percentile(values, at)), 1) for at in (50, 95, 99)}


def _moment() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)
