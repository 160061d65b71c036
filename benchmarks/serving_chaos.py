"""One thing after the other is killed, stopped, filled or damaged under load, and comes back.

An even pace of requests goes on throughout. Between the hit and its end every answer is sorted by
status and rung; what /release says is wrong is collected; and afterwards it is counted how long it
takes until answers are as they were. A request whose connection broke is `lost`: a process that is
killed takes what it was answering with it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks import serving_process
from benchmarks.http_client import Client, client
from benchmarks.http_load import LOST, Answers, Paced, Requests
from benchmarks.pairs import machine, write_result
from benchmarks.serving_faults import (
    FAKETIME,
    Hit,
    Scene,
    clock_ahead,
    clock_behind,
    damage_file,
    faked,
    fill_disk,
    kill_lite,
    kill_redis,
    kill_triton,
    kill_worker,
    stop_lite,
    stop_milvus,
    stop_redis,
    stop_triton,
    stop_worker,
    truncate_file,
)
from benchmarks.serving_homes import copied, homes, of_server, on_redis, trained
from benchmarks.serving_path import Place
from benchmarks.serving_process import RECOMMEND, Process, colisten, wait_until
from benchmarks.serving_triton import triton
from colisten.index import open_index
from colisten.index.lite_server import LiteServer
from colisten.json_files import parse_json
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings

NAME = "serving_chaos"
WORKERS, PACE = 2, 80.0
# The library that shifts a clock holds a lock of the whole machine at every look at one.
PACES = {"clock_ahead": 15.0, "clock_behind": 15.0}
BEFORE, DURING, AFTER = 3.0, 5.0, 12.0
"""Seconds before the hit, until its end, and in which answers may come back to what they were."""
DEADLINE_MS = 500
HANG_SECONDS = 3.0
CONNECTIONS = 24
_LOAD = round(os.getloadavg()[0], 1)
LITE = IndexSettings(backend="milvus")
SCENES: dict[str, tuple[Hit, ...]] = {
    "exact": (kill_worker, stop_worker, fill_disk, damage_file, truncate_file),
    "clock": (clock_ahead, clock_behind),
    "redis": (stop_redis, kill_redis),
    "lite": (kill_lite, stop_lite),
    "milvus": (stop_milvus,),
    "triton": (stop_triton, kill_triton),
}


def run() -> None:
    """Every fault, each of a service that is well again; what is known so far is written."""
    rows: dict[str, Any] = {}
    facts = {
        "workers": WORKERS,
        "a_second": PACE,
        "a_second_instead": PACES,
        "deadline_ms": DEADLINE_MS,
        "hang_seconds": HANG_SECONDS,
        "seconds": {"before": BEFORE, "during": DURING, "after": AFTER},
    }
    with homes() as folder, client() as asking:
        place = trained(folder)
        for name, hits in SCENES.items():
            with tempfile.TemporaryDirectory() as work, opened(name, place, Path(work)) as scene:
                for hit in hits:
                    if scene is None:
                        continue
                    rows[hit.__name__] = measured(scene, hit, asking)
                    print(f"{NAME}: {hit.__name__}: {rows[hit.__name__]}", flush=True)
            told = {"load_before": _LOAD, "facts": facts, "rows": rows}
            write_result(NAME, {"benchmark": NAME, **machine(), **told})


@contextmanager
def opened(name: str, place: Place, work: Path) -> Iterator[Scene | None]:
    """A service by its name in `SCENES`; None where its software is not here."""
    settings = [f"serving.deadline_ms={DEADLINE_MS}", "serving.inspect_seconds=0.5"]
    # Soon enough to be seen here.
    settings += [f"serving.hang_seconds={HANG_SECONDS}"]
    environment: dict[str, str] = {}
    redis, milvus, tower = None, None, None
    with ExitStack() as stack:
        if name == "redis":
            redis = stack.enter_context(serving_process.redis(work))
            own = on_redis(place, redis.address, work / "home")
        else:
            own = copied(place, work / "home")
        if name == "clock":
            if not FAKETIME.exists():
                yield None
                return
            (work / "clock").write_text("+0")
            environment = faked(work / "clock")
        if name == "lite":
            with LiteServer(own.home), open_index(own.home, LITE) as index:
                _republish(own, index)
            settings += ["index.backend=milvus"]
        elif name == "milvus":
            started = stack.enter_context(serving_process.milvus(work / "milvus"))
            if started is None:
                yield None
                return
            address, milvus = started
            with open_index(own.home, of_server(address)) as index:
                _republish(own, index)
            settings += ["index.backend=milvus", f"index.uri={address}"]
        else:
            settings += ["index.backend=exact"]
        if name == "triton":
            tower = stack.enter_context(triton(work / "triton"))
            if tower is None:
                yield None
                return
            settings += tower.settings()
        process = stack.enter_context(
            colisten(own.home, settings, workers=WORKERS, environment=environment)
        )
        yield Scene(own, process, work, redis, milvus, tower)


def measured(scene: Scene, hit: Hit, asking: Client) -> dict[str, Any]:
    """One fault under load."""
    process = scene.process
    process.wait_for_workers(WORKERS)
    bodies = [{"user_id": str(user), "k": 10} for user in scene.place.users]
    requests = Requests(process.port, RECOMMEND, bodies, patience=4 * DEADLINE_MS / 1000)
    pace = min(PACE, PACES.get(hit.__name__, PACE))
    asked = asking.start(requests, Paced(pace, BEFORE + DURING + AFTER, CONNECTIONS))
    time.sleep(BEFORE)
    pids = {each.pid for each in process.workers()}
    begun = time.time()
    undo = hit(scene)
    try:
        named = _named(process, begun + DURING)
    finally:
        ended = time.time()
        undo()
    answers = asked.result()
    return {
        "does": (hit.__doc__ or "").strip().rstrip("."),
        **_judged(answers, begun, ended),
        "named": named,
        "well_again": _well(process, scene),
        "same_workers": pids == {each.pid for each in process.workers()},
    }


def _judged(answers: Answers, begun: float, ended: float) -> dict[str, Any]:
    """What came of the requests, by phase, and when all was as before."""
    before = answers.only(answers.ended < begun)
    usual = Counter(before.labels).most_common(1)[0][0]
    odd = np.array([label != usual for label in answers.labels]) & (answers.ended >= begun)
    last = float(answers.ended[odd].max()) if odd.any() else begun
    during = answers.only((answers.ended >= begun) & (answers.ended <= ended))
    good = during.only(during.statuses == 200)
    return {
        "asked": len(answers.statuses),
        "statuses": answers.by_status(),
        "5xx": int((answers.statuses >= 500).sum()),
        "lost": int((answers.statuses == LOST).sum()),
        "before": {**before.milliseconds(50, 99), "rungs": before.shares()},
        "during": {
            **good.milliseconds(50, 99, 100),
            "answers": len(good.statuses),
            "rungs": during.shares(),
        },
        "seconds_until_as_before": round(max(0.0, last - ended), 2),
    }


def _named(process: Process, until: float) -> dict[str, str]:
    """What /release says is not well, of whichever worker answers, until a moment."""
    found: dict[str, str] = {}
    while time.time() < until:
        with suppress(httpx.HTTPError, ValueError):
            answer = httpx.get(f"{process.url}{serving_process.RELEASE}", timeout=1.0)
            told: dict[str, Any] = parse_json(answer.content)
            for name, part in told.get("parts", {}).items():
                if not part["ok"]:
                    found[name] = part["reason"]
        time.sleep(0.2)
    return found


def _well(process: Process, scene: Scene) -> bool:
    """Whether every worker is there, ready, and says before long that all its parts are well."""
    body = {"user_id": str(scene.place.users[0])}

    def well() -> bool:
        told = [process.release()["parts"] for _ in range(2 * WORKERS)]
        return all(part["ok"] for parts in told for part in parts.values())

    try:
        process.wait_for_workers(WORKERS)
        wait_until(well, seconds=AFTER)
    except (RuntimeError, httpx.HTTPError):
        return False
    return process.answers(RECOMMEND, body, holds='"two_tower"')


def _republish(place: Place, index: Any) -> None:
    ReleaseStore(place.home).republish(place.release.release_id, index)


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    lines = [
        "| what happens | 5xx | lost | answered meanwhile, by rung | p99 ms before, meanwhile | "
        "/release names | seconds until as before |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"].values():
        during, before = row["during"], row["before"]
        rungs = "; ".join(f"{name} {share:.0%}" for name, share in during["rungs"].items())
        named = ", ".join(f"{name}: {reason}" for name, reason in row["named"].items())
        well = "" if row["well_again"] else ", not well"
        lines.append(
            f"| {row['does']} | {row['5xx']} | {row['lost']} | {rungs} | "
            f"{before['p99']}, {during['p99']} | {named or '–'} | "
            f"{row['seconds_until_as_before']}{well} |"
        )
    facts = result["facts"]
    told = (
        f"{facts['workers']} workers, {facts['a_second']:g} requests a second, deadline "
        f"{facts['deadline_ms']} ms; each lasts {facts['seconds']['during']:g} s. "
        f"Measured on {result['date']}."
    )
    return "\n".join([*lines, "", told])
