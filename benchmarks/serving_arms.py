"""Three releases served as arms, and what the disk says was shown, held against the answers.

One of the workers is killed in the middle. What it had not written yet is lost: that may be no
more than it answered within `serving.exposures_flush_seconds`, and the counters say how much it
was. Then `colisten experiment report` reads the folder as it lies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.http_client import Client, client
from benchmarks.http_load import Answers, Closed, Requests
from benchmarks.pairs import machine, write_result
from benchmarks.serving_homes import EXACT, copied, homes, trained
from benchmarks.serving_path import Place
from benchmarks.serving_process import RECOMMEND, Process, colisten, wait_until
from benchmarks.shelf_labels import Shown, shown
from colisten.data.contract import EXPOSURES
from colisten.data.table_log import logged
from colisten.errors import ReleaseError
from colisten.experiments.plan import SHOWN, latest_experiment
from colisten.index import open_index
from colisten.json_files import parse_json, to_json
from colisten.release.store import ReleaseStore

NAME = "serving_arms"
WORKERS, REQUESTS, CONNECTIONS = 2, 100_000, 8
FLUSH_SECONDS = 1.0
KILL_AFTER = 0.5
"""Share of the requests after which a worker is killed."""
_LOAD = round(os.getloadavg()[0], 1)
Rows = dict[str, list[tuple[Any, ...]]]


def run() -> None:
    """One service, three arms."""
    with homes() as folder, tempfile.TemporaryDirectory() as work, client() as asking:
        place = copied(trained(folder), Path(work) / "home")
        with colisten(place.home, _settings(place), workers=WORKERS) as process:
            result = measured(process, place, asking)
        result["report"] = _report(place.home, folder / "world", result["arms"])
    write_result(NAME, {"benchmark": NAME, **machine(), "load_before": _LOAD, **result})
    print(markdown(result | {"date": "now"}))


def _settings(place: Place) -> list[str]:
    store = ReleaseStore(place.home)
    others = sorted(one.release_id for one in store.list() if one.state == "candidate")
    share = 1 / (len(others) + 1)
    arms = {"live": {"share": share}} | {
        f"arm{at}": {"share": share, "shows": release_id}
        for at, release_id in enumerate(others, start=1)
    }
    return [
        "index.backend=exact",
        "serving.deadline_ms=10000",
        f"serving.exposures_flush_seconds={FLUSH_SECONDS}",
        f"experiment.arms={to_json(arms)}",
        f"experiment.name={NAME}",
    ]


def measured(process: Process, place: Place, asking: Client) -> dict[str, Any]:
    """Ask, kill a worker, and compare."""
    users = [str(user) for user in place.users]
    bodies = [{"user_id": users[at % len(users)], "surface": "home"} for at in range(REQUESTS)]
    requests = Requests(process.port, RECOMMEND, bodies)
    refused = _prune_is_refused(place)
    before = {each.pid for each in process.workers()}
    asked = asking.start(requests, Closed(CONNECTIONS, None), shown)
    wait_until(lambda: _logged(process, "taken") >= KILL_AFTER * REQUESTS, process, seconds=600)
    killed, gone = time.time(), process.workers()[0]
    gone.send_signal(signal.SIGKILL)
    back = wait_until(
        lambda: len({each.pid for each in process.workers()} - {gone.pid}) == WORKERS, process
    )
    answers = asked.result()
    time.sleep(3 * FLUSH_SECONDS)
    assert gone.pid in before
    return {
        "requests": len(answers.statuses),
        "statuses": answers.by_status(),
        "a_second": round(len(answers.statuses) / answers.took, 1),
        "flush_seconds": FLUSH_SECONDS,
        "seconds_until_a_new_worker": round(back, 1),
        "prune_of_a_held_release": refused,
        **compared(process, place, answers, killed),
    }


def compared(process: Process, place: Place, answers: Answers, killed: float) -> dict[str, Any]:
    """What was answered against what is on disk and what was counted."""
    on_disk = written(place.home)
    given = [one for one in answers.labels if one is not None]
    ends = answers.ended[answers.statuses == 200]
    missing = [at for at, one in enumerate(given) if one.request_id not in on_disk]
    different = [
        one
        for one in given
        if one.request_id in on_disk and on_disk[one.request_id] != _as_rows(one)
    ]
    ages = killed - ends[missing] if missing else np.zeros(0)
    counted = {name: _logged(process, name) for name in ("taken", "written", "lost")}
    return {
        "answers": len(given),
        "on_disk": len(on_disk),
        "of_them_different": len(different),
        "twice_on_disk": sum(count > 1 for count in Counter(o.request_id for o in given).values()),
        "lost": len(missing),
        "lost_seconds_before_the_kill": [
            round(float(of(ages)), 2) for of in (np.min, np.max) if missing
        ],
        "counted": counted,
        "counted_as_lost": counted["taken"] - counted["written"],
        "arms": dict(Counter(one.arm for one in given).most_common()),
        "releases": len({one.release_id for one in given}),
    }


def written(home: Path) -> Rows:
    """What the disk says was shown, by request."""
    rows: Rows = defaultdict(list)
    batches = list(logged(latest_experiment(home) / EXPOSURES.name, SHOWN))
    table = pa.Table.from_batches(batches, SHOWN)
    names = ("request_id", "user_id", "variant", "release_id", "surface", "item_id", "position")
    for request, *rest in zip(*(table.column(name).to_pylist() for name in names), strict=True):
        rows[request].append(tuple(rest))
    return dict(rows)


def _logged(process: Process, outcome: str) -> int:
    """What the counters of all workers say, of those that are gone too."""
    return round(process.metric("colisten_logged_total", table="exposures", outcome=outcome))


def _as_rows(one: Shown) -> list[tuple[Any, ...]]:
    about = (one.user_id, one.arm, one.release_id, "home")
    if not one.items:
        return [(*about, None, None)]
    return [(*about, item, at) for at, item in enumerate(one.items, start=1)]


def _prune_is_refused(place: Place) -> str:
    """The error of pruning while every release is served as an arm."""
    try:
        with open_index(place.home, EXACT) as index:
            ReleaseStore(place.home).prune(0, index)
    except ReleaseError as error:
        return f"refused: {error.what}"
    return "NOT refused"


def _report(home: Path, data: Path, arms: dict[str, int]) -> dict[str, Any]:
    """What `colisten experiment report` makes of the folder."""
    command = [sys.executable, "-m", "colisten", "experiment", "report", "--json"]
    command += ["--data", str(data), "--out", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # With 1 it has read a split that is broken, which the killed worker's lost rows may do.
    if done.returncode not in (0, 1) or not done.stdout:
        return {"exit": done.returncode, "says": done.stderr[-1000:], "users": {}}
    told = parse_json(done.stdout)
    users = {arm["name"]: arm["users"] for arm in told["arms"]}
    says = "" if users.keys() == arms.keys() else f"not the arms that answered: {sorted(arms)}"
    return {"exit": done.returncode, "says": says or told["split_verdict"], "users": users}


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    ages = result["lost_seconds_before_the_kill"]
    rows = {
        "requests, answers of 200": f"{result['requests']:,}, {result['answers']:,}",
        "answers by arm": ", ".join(f"{name} {count:,}" for name, count in result["arms"].items()),
        "on disk as they were given": f"{result['answers'] - result['lost']:,}",
        "on disk, and different": result["of_them_different"],
        "lost with the killed worker": result["lost"],
        "answered so many seconds before the kill": " to ".join(map(str, ages)) or "–",
        "taken and not written, by the counters": result["counted_as_lost"],
        "seconds until a new worker": result["seconds_until_a_new_worker"],
        "pruning a release that is served": result["prune_of_a_held_release"],
        "users by arm, as `colisten experiment report` reads them": ", ".join(
            f"{name} {count:,}" for name, count in result["report"]["users"].items()
        )
        or result["report"]["says"],
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    told = (
        f"{WORKERS} workers, {CONNECTIONS} connections, {result['a_second']:g} requests a second; "
        f"exposures are written every {result['flush_seconds']:g} s. Measured on {result['date']}."
    )
    return "\n".join([*lines, "", told])
