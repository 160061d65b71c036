"""The service over HTTP on both cores, beside a straightforward stack and the bare parts.

Every way is asked by the same client, on the same machine, one after the other, each warm: by one,
eight and thirty-two connections that ask again once answered; at the highest pace whose 99th
percentile stays under `SOON_MS`; and at three times that pace. A shelf counts where it is personal:
falling down the fallback chain is faster than answering, so shares of the rungs stand beside every
latency, and so does what an answer costs the workers in CPU, read from /proc.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import serving_process
from benchmarks.http_client import Client, client
from benchmarks.http_load import Closed, Paced, Requests
from benchmarks.pairs import machine, write_result
from benchmarks.rival_services import EF, HOME, INDEX, KIND
from benchmarks.serving_homes import MILVUS, homes, indexed, large, on_redis, trained
from benchmarks.serving_http_table import OVERLOAD, SOON_MS, markdown
from benchmarks.serving_path import Place
from benchmarks.serving_process import RECOMMEND, Process, colisten, cpu_of, listening, wait_until
from benchmarks.serving_triton import Triton, triton
from colisten.json_files import parse_json
from colisten.settings.index import IndexSettings

NAME = "serving_http"
__all__ = ["NAME", "WAYS", "markdown", "run"]
WORKERS = 2
CONNECTIONS = (1, 8, 32)
SECONDS, PACE_SECONDS, WARM_SECONDS = 3.0, 2.0, 2.0
KEPT = 0.97
"""Share of a pace that is answered where it is kept."""
DEADLINE_MS = 250
PERSONAL = ("two_tower ", "answered")
"""How the label of a shelf of one's own begins; rivals know no others."""
STEPS = 4
"""Paces that are tried until the highest is known to a tenth or so."""
RECALL_USERS, TOP = 40, 100
STAGE_USERS = 100
_LOAD = round(os.getloadavg()[0], 1)


@dataclass(frozen=True)
class Way:
    """One way to answer.

    Attributes:
        who: `colisten`, or one of `rival_services.KINDS`.
        size: `8k` or `250k`.
        store: Where features are read from.
        search: `exact`, or `hnsw` of a Milvus server.
        place: Where the tower runs.
    """

    who: str
    size: str
    store: str = "sqlite"
    search: str = "exact"
    place: str = "in process"

    @property
    def name(self) -> str:
        """As a row of the table is called."""
        return ", ".join([self.who, self.size, self.store, self.search, self.place])


WAYS = (
    Way("colisten", "8k"),
    Way("stack", "8k"),
    Way("floor", "8k"),
    Way("colisten", "8k", store="redis"),
    Way("stack", "8k", store="redis"),
    Way("colisten", "8k", place="triton"),
    Way("colisten", "8k", search="hnsw"),
    Way("stack", "8k", search="hnsw"),
    Way("colisten", "250k"),
    Way("stack", "250k"),
    Way("floor", "250k"),
    Way("colisten", "250k", search="hnsw"),
    Way("stack", "250k", search="hnsw"),
)


@dataclass(frozen=True)
class Ground:
    """What the ways stand on.

    Attributes:
        places: By size and store.
        milvus: Address of the server; None without one.
        triton: The tower's server; None without one.
        neighbours: Processes beside the workers, by name.
    """

    places: dict[tuple[str, str], Place]
    milvus: str | None
    triton: Triton | None
    neighbours: dict[str, psutil.Process]

    def has(self, way: Way) -> bool:
        """Whether everything is here that a way needs."""
        searches = way.search == "exact" or self.milvus is not None
        return searches and (way.place != "triton" or self.triton is not None)


def run() -> None:
    """Every way, in turn; what is known so far is written after each."""
    rows: dict[str, Any] = {}
    failed: dict[str, str] = {}
    found: dict[str, list[list[str]]] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(homes())
        work = stack.enter_context(tempfile.TemporaryDirectory())
        on = stack.enter_context(ground(folder, Path(work)))
        asking = stack.enter_context(client())
        for way in filter(on.has, WAYS):
            try:
                rows[way.name] = measured(way, on, asking, found)
            except Exception as error:  # the others are worth having
                failed[way.name] = f"{type(error).__name__}: {error}"[:2000]
                print(f"{NAME}: {way.name}: {failed[way.name]}", flush=True)
            told = {"facts": facts(on), "rows": rows, "recall": recalls(found), "failed": failed}
            write_result(NAME, {"benchmark": NAME, **machine(), "load_before": _LOAD, **told})


def facts(on: Ground) -> dict[str, Any]:
    """What a reader needs to know."""
    small = on.places["8k", "sqlite"]
    return {
        "workers": WORKERS,
        "titles": {
            size: len(place.release.item_vectors)
            for (size, store), place in on.places.items()
            if store == "sqlite"
        },
        "vector_length": int(small.release.item_vectors.shape[1]),
        "users": len(small.users),
        "connections": CONNECTIONS,
        "seconds": SECONDS,
    }


@contextmanager
def ground(folder: Path, work: Path) -> Iterator[Ground]:
    """Folders, Redis and Milvus for all ways."""
    with ExitStack() as stack:
        places: dict[tuple[str, str], Place] = {("8k", "sqlite"): trained(folder)}
        small = places["8k", "sqlite"]
        if any(way.size == "250k" for way in WAYS):
            places["250k", "sqlite"] = large(small, folder)
        neighbours = {}
        if any(way.store == "redis" for way in WAYS):
            redis = stack.enter_context(serving_process.redis(work))
            neighbours["redis"] = redis.process
            places["8k", "redis"] = on_redis(small, redis.address, work / "redis")
        milvus = None
        if any(way.search == "hnsw" for way in WAYS):
            started = stack.enter_context(serving_process.milvus(folder / MILVUS))
            if started is not None:
                milvus, neighbours["milvus"] = started
                for (_, store), place in places.items():
                    if store == "sqlite":
                        indexed(place, milvus)
        tower = None
        if any(way.place == "triton" for way in WAYS):
            tower = stack.enter_context(triton(work / "triton"))
            if tower is not None:
                neighbours["triton"] = tower.process
        yield Ground(places, milvus, tower, neighbours)


@contextmanager
def served(way: Way, on: Ground) -> Iterator[Process]:
    """The processes of a way."""
    place = on.places[way.size, way.store]
    if way.who == "colisten":
        settings = [f"serving.deadline_ms={DEADLINE_MS}", f"index.backend={_backend(way)}"]
        if way.search == "hnsw":
            settings += [f"index.uri={on.milvus}"]
        if way.place == "triton" and on.triton is not None:
            settings += on.triton.settings()
        with colisten(place.home, settings, workers=WORKERS) as process:
            yield process
        return
    command = [sys.executable, "-m", "uvicorn", "benchmarks.rival_services:app", "--factory"]
    command += ["--no-access-log", "--workers", str(WORKERS), "--host", "127.0.0.1", "--port"]
    environment = {HOME: str(place.home), KIND: way.who, EF: str(IndexSettings().ef)}
    if way.search == "hnsw":
        environment[INDEX] = str(on.milvus)
    body = {"user_id": place.users[0]}
    with listening(lambda port: [*command, str(port)], environment) as process:
        wait_until(lambda: process.answers(RECOMMEND, body), process)
        yield process


def _backend(way: Way) -> str:
    return "exact" if way.search == "exact" else "milvus"


@dataclass(frozen=True)
class Trial:
    """One way as it runs.

    Attributes:
        process: What answers.
        on: What it stands on.
        client: Who asks.
        requests: For what.
    """

    process: Process
    on: Ground
    client: Client
    requests: Requests

    def costed(self, way: Closed | Paced) -> dict[str, Any]:
        """Latency, rungs, and CPU of the workers, the neighbours and the client an answer."""
        before = self.process.cpu_seconds()
        beside = {name: cpu_of(each) for name, each in self.on.neighbours.items()}
        answers = self.client.ask(self.requests, way)
        spent = self.process.cpu_seconds() - before
        good = answers.only(answers.statuses == 200)
        personal = good.only(np.array([label.startswith(PERSONAL) for label in good.labels], bool))
        count = max(1, len(personal.statuses))
        asked = max(1, len(answers.statuses))
        return {
            **personal.milliseconds(50, 95, 99),
            "answers_per_second": round(len(personal.statuses) / answers.took, 1),
            "answered": round(len(good.statuses) / asked, 4),
            "personal": round(len(personal.statuses) / max(1, len(good.statuses)), 4),
            "rungs": answers.shares(),
            "statuses": answers.by_status(),
            "cpu_ms": round(1e3 * spent / count, 3),
            "neighbours_cpu_ms": {
                name: round(1e3 * (cpu_of(each) - beside[name]) / count, 3)
                for name, each in self.on.neighbours.items()
            },
            "client_cpu_ms": round(1e3 * answers.cpu_seconds / count, 3),
        }


def measured(
    way: Way, on: Ground, asking: Client, found: dict[str, list[list[str]]]
) -> dict[str, Any]:
    """Everything about one way; its lists of nearest titles go into `found`."""
    place = on.places[way.size, way.store]
    users = np.random.default_rng(0).permutation(np.array(place.users)).tolist()
    with served(way, on) as process:
        requests = Requests(process.port, RECOMMEND, [{"user_id": user, "k": 10} for user in users])
        trial = Trial(process, on, asking, requests)
        asking.ask(requests, Closed(CONNECTIONS[-1], WARM_SECONDS))
        closed = {}
        for connections in CONNECTIONS:
            closed[str(connections)] = trial.costed(Closed(connections, SECONDS))
        row: dict[str, Any] = {
            "connections": closed,
            "highest": highest(trial, closed),
        }
        if way.who == "colisten":
            pace = row["highest"]["answers_per_second"]
            row["overload"] = overload(asking, requests, OVERLOAD * pace)
            row["stages_ms"] = stages(process, users)
        if way.who != "floor":
            found[way.name] = shelves(process, place.users)
        row["memory_mb"] = process.memory_mb()
    print(f"{NAME}: {way.name}: {brief(row)}", flush=True)
    return row


def highest(trial: Trial, closed: dict[str, Any]) -> dict[str, Any]:
    """Figures of the highest pace that was kept with a 99th percentile under `SOON_MS`.

    Where none of the paces is, those of the busiest of the closed rounds that is, else of one
    connection.
    """
    soon = [row for row in closed.values() if row["p99"] is not None and row["p99"] < SOON_MS]
    best: dict[str, Any] = closed[str(CONNECTIONS[0])]
    if soon:
        best = max(soon, key=lambda row: row["answers_per_second"])
    most = max(row["answers_per_second"] for row in closed.values())
    low, high, pace = 0.0, 1.15 * most, 0.85 * most
    for _ in range(STEPS):
        row = trial.costed(Paced(pace, PACE_SECONDS))
        well = min(row["answered"], row["personal"]) > 0.99
        kept = row["answers_per_second"] > KEPT * pace and well
        if kept and row["p99"] is not None and row["p99"] < SOON_MS:
            low, best = pace, max(best, row, key=lambda each: each["answers_per_second"])
        else:
            high = pace
        pace = (low + high) / 2
    return best


def overload(asking: Client, requests: Requests, pace: float) -> dict[str, Any]:
    """What becomes of requests at a pace that nobody can keep."""
    answers = asking.ask(requests, Paced(max(pace, 50.0), PACE_SECONDS))
    good = answers.only(answers.statuses == 200)
    return {
        "requests_per_second": round(len(answers.statuses) / PACE_SECONDS),
        "statuses": answers.by_status(),
        "answered": good.milliseconds(50, 95, 99, 100),
        "refused": answers.only(answers.statuses != 200).milliseconds(50, 99, 100),
        "rungs": answers.shares(),
        "deadline_ms": DEADLINE_MS,
    }


def shelves(process: Process, users: Sequence[str]) -> list[list[str]]:
    """The hundred nearest titles of some users, as the service says."""
    asked = [{"user_id": user, "k": TOP} for user in users[:RECALL_USERS]]
    answers = [parse_json(process.post(RECOMMEND, body).content) for body in asked]
    return [[item["item_id"] for item in answer["items"]] for answer in answers]


def stages(process: Process, users: Sequence[str]) -> dict[str, float]:
    """Median milliseconds of each stage of an answer, by one who asks alone."""
    told: dict[str, list[float]] = {}
    for user in users[:STAGE_USERS]:
        head = process.post(RECOMMEND, {"user_id": user}).headers.get("server-timing", "")
        for name, took in re.findall(r"(\w+);dur=([0-9.]+)", head):
            told.setdefault(name, []).append(float(took))
    return {name: round(statistics.median(values), 3) for name, values in told.items()}


def recalls(found: dict[str, list[list[str]]]) -> dict[str, float]:
    """By way with an index, the share that it finds of what exact search of the same way finds."""
    told = {}
    for name, lists in found.items():
        right = found.get(name.replace("hnsw", "exact"))
        if "hnsw" in name and right is not None:
            shares = [len({*a} & {*b}) / len(b) for a, b in zip(lists, right, strict=True)]
            told[name] = round(statistics.mean(shares), 4)
    return told


def brief(row: dict[str, Any]) -> str:
    """A row in one line."""
    one, most = row["connections"][str(CONNECTIONS[0])], row["connections"][str(CONNECTIONS[-1])]
    pace = row["highest"]["answers_per_second"]
    return f"alone {one['p50']} ms, CPU {one['cpu_ms']} ms; {pace} a second, p99 {most['p99']} ms"
