"""Minutes of load while another release goes live every few seconds.

Before it, every user is asked once under each release. Under load every answer is held against
what its release said then: an answer that is made of two, that is a popular one, or that holds
what the user had, is counted. The 99th percentile while a release is being promoted and taken up
stands beside that of the rest. Whoever promotes has a low priority, as `nice` gives it, which is
what an operator would do on a machine that serves.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.http_client import Client, client
from benchmarks.http_load import Answers, Closed, Paced, Requests
from benchmarks.pairs import machine, write_result
from benchmarks.promoter import promoter
from benchmarks.serving_homes import copied, homes, trained
from benchmarks.serving_path import Place
from benchmarks.serving_process import RECOMMEND, Process, colisten, wait_until
from benchmarks.shelf_labels import Shown, shown
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore

NAME = "serving_swaps"
WORKERS, USERS = 2, 200
SECONDS, EVERY = 300.0, 10.0
SHARE = 0.4
"""Of what the service can answer, how much it is asked for."""
DEADLINE_MS = 2000
_LOOK_SECONDS = 0.25
"""How often it is looked whether every worker has taken a release up: the answer costs a worker
more than a shelf."""
_LOAD = round(os.getloadavg()[0], 1)
Spans = list[tuple[float, float]]
Promote = Callable[[str], None]


def run() -> None:
    """One service, its releases in turn."""
    with homes() as folder, tempfile.TemporaryDirectory() as work, client() as asking:
        place = copied(trained(folder), Path(work) / "home")
        settings = ("index.backend=exact", f"serving.deadline_ms={DEADLINE_MS}")
        with (
            colisten(place.home, settings, workers=WORKERS) as process,
            promoter(place.home) as promote,
        ):
            result = measured(process, place, asking, promote)
    write_result(NAME, {"benchmark": NAME, **machine(), "load_before": _LOAD, **result})
    print(markdown(result | {"date": "now"}))


def measured(process: Process, place: Place, asking: Client, promote: Promote) -> dict[str, Any]:
    """Ask while releases change."""
    users = [str(user) for user in place.users[:USERS]]
    requests = Requests(process.port, RECOMMEND, [{"user_id": user, "k": 10} for user in users])
    store = ReleaseStore(place.home)
    ids = sorted(one.release_id for one in store.list())
    expected: dict[tuple[str, str], Shown] = {}
    for release_id in ids:
        _take_up(promote, process, release_id)
        expected |= _shelves(asking, requests, release_id)
    capacity = asking.ask(requests, Closed(8, min(3.0, SECONDS)), shown)
    pace = SHARE * len(capacity.statuses) / capacity.took
    asked = asking.start(requests, Paced(pace, SECONDS), shown)
    spans = _swap(promote, process, ids)
    answers = asked.result()
    return {
        "releases": len(ids),
        "users": len(users),
        "seconds": SECONDS,
        "swaps": len(spans),
        "a_second": round(pace, 1),
        "seconds_until_taken_up": round(statistics.median(end - begin for begin, end in spans), 2),
        **_counted(answers, expected, _had(place.release, users)),
        "ms": _by_time(answers, spans),
    }


def _shelves(asking: Client, requests: Requests, release_id: str) -> dict[tuple[str, str], Shown]:
    """Every user's shelf of one release, by both; asked again where somebody has none."""
    found: dict[tuple[str, str], Shown] = {}
    for _ in range(10):
        labels = asking.ask(requests, Closed(4, None), shown).labels
        right = [one for one in labels if one is not None and one.rung.startswith("two_tower")]
        found |= {(one.release_id, one.user_id): one for one in right}
        if len(found) == len(requests.bodies):
            break
    assert {release for release, _ in found} == {release_id}
    return found


def _swap(promote: Promote, process: Process, ids: list[str]) -> Spans:
    """Promote one after the other; from each promotion's begin until every worker answers by it."""
    spans, started, number = [], time.time(), 0
    time.sleep(min(EVERY, SECONDS) / 2)
    while time.time() < started + SECONDS - EVERY / 2:
        begun = time.time()
        _take_up(promote, process, ids[number % len(ids)])
        spans.append((begun, time.time()))
        number += 1
        time.sleep(max(0.0, EVERY - (time.time() - begun)))
    return spans


def _take_up(promote: Promote, process: Process, release_id: str) -> None:
    promote(release_id)
    wait_until(
        lambda: process.metric("colisten_release_workers", release_id=release_id) == WORKERS,
        process,
        look_seconds=_LOOK_SECONDS,
    )


def _counted(
    answers: Answers,
    expected: dict[tuple[str, str], Shown],
    had: dict[str, set[str]],
) -> dict[str, Any]:
    """How many answers are not as they should be, by what is wrong."""
    given = [one for one in answers.labels if one is not None]
    right = [expected.get((one.release_id, one.user_id)) for one in given]
    mixed = [
        was is None or was.digest != one.digest
        for one, was in zip(given, right, strict=True)
        if one.rung.startswith("two_tower")
    ]
    return {
        "requests": len(answers.statuses),
        "failed": int((answers.statuses != 200).sum()),
        "statuses": answers.by_status(),
        "mixed": sum(mixed),
        "popular": sum(not one.rung.startswith("two_tower") for one in given),
        "had": sum(bool(had[one.user_id] & {*one.items}) for one in given),
        "releases_seen": len({one.release_id for one in given}),
    }


def _had(release: LoadedRelease, users: list[str]) -> dict[str, set[str]]:
    """What each user had started, by the release's own record of all that they ever did."""
    assert len(release.seen.users)
    return {user: {*release.item_ids[release.seen.of(user)].tolist()} for user in users}


def _by_time(answers: Answers, spans: Spans) -> dict[str, dict[str, float | None]]:
    during = np.zeros(len(answers.ended), bool)
    for begin, end in spans:
        during |= (answers.ended >= begin) & (answers.ended - answers.seconds <= end)
    return {
        "while a release is taken up": answers.only(during).milliseconds(50, 99, 100),
        "steady": answers.only(~during).milliseconds(50, 99, 100),
    }


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    rows = {
        "requests": f"{result['requests']:,}",
        "failed": result["failed"],
        "made of two releases": result["mixed"],
        "popular items for a known user": result["popular"],
        "with an item that the user had": result["had"],
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    lines += [
        f"| p50 / p99 / most ms, {name} | {of['p50']} / {of['p99']} / {of['p100']} |"
        for name, of in result["ms"].items()
    ]
    told = (
        f"{result['seconds']:g} s at {result['a_second']:g} requests a second by {WORKERS} "
        f"workers; {result['swaps']} swaps between {result['releases']} releases, from the start "
        f"of the promotion to the last worker {result['seconds_until_taken_up']} s (median). "
        f"Measured on {result['date']}."
    )
    return "\n".join([*lines, "", told])
