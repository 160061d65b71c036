"""A session of `colisten serve` leaves an experiment that the report reads as it lies.

Real parts: the service with two workers, three arms, Feast on SQLite, Milvus Lite.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from colisten.data.contract import EXPOSURES
from colisten.data.table_log import logged
from colisten.experiments.assignment import assign
from colisten.experiments.plan import SHOWN, latest_experiment
from tests.serving.conftest import Home, Service, start, stop

pytestmark = pytest.mark.slow

FLUSH_SECONDS = 1.0
# An interval, and what a loaded machine takes to sync a file and to read an answer.
SLACK_SECONDS = FLUSH_SECONDS + 4
SHARES = {"holdout": 0.2, "live": 0.4, "new": 0.4}
USERS = [f"u{number:04d}" for number in range(80)]
Answers = list[tuple[float, dict[str, Any]]]


@pytest.fixture(scope="module")
def own(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("own") / "out"
    ignored = shutil.ignore_patterns("endpoint.json", "work", "exposures")
    shutil.copytree(home.folder, folder, ignore=ignored)
    return Home(folder, home.ids)


@pytest.fixture(scope="module")
def running(own: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    arms = {
        "holdout": {"share": 0.2, "shows": "popular"},
        "live": {"share": 0.4, "shows": "live"},
        "new": {"share": 0.4, "shows": own.ids[1]},
    }
    started = start(
        own,
        tmp_path_factory.mktemp("log") / "log",
        f"experiment.arms={json.dumps(arms)}",
        "experiment.name=three",
        f"serving.exposures_flush_seconds={FLUSH_SECONDS}",
        "serving.exposures_part_mb=1",
        workers=2,
    )
    yield started
    if started.process.poll() is None:
        stop(started)


def written(out: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the disk says was shown, by request."""
    shown: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    batches = list(logged(latest_experiment(out) / EXPOSURES.name, SHOWN))
    for row in pa.Table.from_batches(batches, SHOWN).to_pylist():
        about = (row["user_id"], row["variant"], row["release_id"], row["surface"])
        shown[row["request_id"]].append((*about, row["item_id"], row["position"]))
    return dict(shown)


def answered(answers: Answers) -> dict[str, list[tuple[Any, ...]]]:
    """What the answers said, by request."""
    return {
        one["request_id"]: [
            (one["user_id"], one["arm"], one["release_id"], "home", item["item_id"], item["rank"])
            for item in one["items"]
        ]
        for _, one in answers
    }


def ask(service: Service, until: float) -> tuple[Answers, int]:
    """Ask for shelves; the answers, each with its moment, and how many connections broke."""
    answers: Answers = []
    broken = at = 0
    while time.monotonic() < until:
        try:
            # Another connection each time, so that both workers answer.
            answer = service.post(
                "/v1/recommend", user_id=USERS[at % len(USERS)], k=7, surface="home"
            )
        except httpx.TransportError:
            broken += 1
            continue
        finally:
            at += 1
        assert answer.status_code == 200, answer.text
        answers.append((time.monotonic(), answer.json()))
    return answers, broken


def workers(service: Service) -> list[int]:
    """The processes that answer: children of the arbiter that wrote to the log of exposures."""
    folder = latest_experiment(service.home.folder) / EXPOSURES.name
    found = {int(file.name.split("-")[1]) for file in folder.glob("*.arrows")}
    return sorted(pid for pid in found if Path(f"/proc/{pid}").exists())


def logged_total(service: Service, outcome: str) -> float:
    """What /metrics says of exposures, over all workers, dead ones too."""
    text = service.get("/metrics").text
    line = re.compile(
        rf'colisten_logged_total{{outcome="{outcome}",table="exposures"}} (\S+)'
    ).search(text)
    return float(line.group(1)) if line else 0.0


def test_a_killed_worker_loses_at_most_an_interval_and_it_is_counted(running: Service) -> None:
    end = time.monotonic() + 120
    with ThreadPoolExecutor(4) as pool:
        while len(before := workers(running)) < 2 and time.monotonic() < end:
            for one in [pool.submit(ask, running, time.monotonic() + 1) for _ in range(4)]:
                one.result()
    assert len(before) == 2, "both workers have answered"
    time.sleep(2 * FLUSH_SECONDS)
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask, running, begun + 18) for _ in range(2)]
        time.sleep(13.3)
        killed = time.monotonic()
        os.kill(before[0], signal.SIGKILL)
        results = [one.result() for one in asking]
    answers = sorted(answer for one, _ in results for answer in one)
    assert sum(moment < killed - SLACK_SECONDS for moment, _ in answers) >= 10
    assert sum(moment > killed + SLACK_SECONDS / 2 for moment, _ in answers) >= 1
    assert sum(broken for _, broken in results) <= 4  # what the killed worker was answering
    time.sleep(3 * FLUSH_SECONDS)
    shown, said = written(running.home.folder), answered(answers)
    kept = {request: rows for request, rows in said.items() if request in shown}
    assert kept == {request: shown[request] for request in kept}
    lost = [moment for moment, one in answers if one["request_id"] not in shown]
    # The killed worker had them in memory: answered before it died, after its last writing.
    assert all(killed - SLACK_SECONDS < moment < killed + SLACK_SECONDS / 2 for moment in lost)
    missing = logged_total(running, "taken") - logged_total(running, "written")
    assert len(lost) <= missing <= len(lost) + 4  # taken, and killed before the answer was out
    assert logged_total(running, "lost") == 0
    end = time.monotonic() + 60
    while time.monotonic() < end and before[0] in workers(running):
        time.sleep(0.2)
    assert running.get("/readyz").status_code == 200


def test_a_session_is_read_by_the_report(
    running: Service, tiny_history: Path, tmp_path: Path
) -> None:
    out = running.home.folder
    arms = {one: entry["share"] for one, entry in running.get("/v1/release").json()["arms"].items()}
    assert arms == pytest.approx(SHARES)
    shelves: Answers = []
    started = 0
    for user in USERS:
        answer = running.post("/v1/recommend", user_id=user, k=7, surface="home").json()
        assert answer["arm"] == assign(user, experiment="three", arms=SHARES)
        assert answer["release_id"] == running.home.ids[answer["arm"] == "new"]
        shelves.append((time.monotonic(), answer))
        if answer["arm"] == "new" and len(answer["items"]):
            event = {
                "user_id": user,
                "item_id": answer["items"][0]["item_id"],
                "item_type": "audiobook",
                "signal": "stream",
                "timestamp": datetime.now(UTC).isoformat(),
                "recommendation_id": answer["request_id"],
            }
            assert running.post("/v1/events", **event).json()["accepted"]
            started += 1
    assert started > 20
    asked = {one["how"]["search"] for _, one in shelves if one["arm"] == "new"}
    assert "milvus" in asked, "by the collection of its own release"
    assert stop(running) == 0
    shown, said = written(out), answered(shelves)
    assert {request: shown.get(request) for request in said} == said
    command = [sys.executable, "-m", "colisten", "experiment", "report", "--json"]
    command += ["--data", str(tiny_history), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["control"] == "holdout"
    arms = {arm["name"]: arm for arm in report["arms"]}
    assert {name: arm["share"] for name, arm in arms.items()} == pytest.approx(SHARES)
    users = {
        name: {one[0] for rows in shown.values() for one in rows if one[1] == name} for name in arms
    }
    assert {name: arm["users"] for name, arm in arms.items()} == {
        name: len(ids) for name, ids in users.items()
    }
    assert report["excluded"] == 0
    rates = {name: arm["values"]["stream_rate"]["value"] for name, arm in arms.items()}
    assert rates == {"holdout": 0, "live": 0, "new": pytest.approx(started / len(users["new"]))}
    assert Path(report["page"]).is_file()
