"""Events that come at once: 10,000 of 50 users over four workers, on SQLite and on Redis.

Every fourth is sent twice, as by a client that lost the answer, while another client sends events
that no history may hold. Counted is what the store holds afterwards. What was answered 503 is sent
again, for so long and no longer: what was never taken is counted and must not be held.
"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np

import colisten
from benchmarks import serving_process
from benchmarks.http_client import Client, client
from benchmarks.http_load import Answers, Closed, Requests
from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from benchmarks.serving_homes import on_redis
from benchmarks.serving_path import Place
from benchmarks.serving_process import EVENTS as EVENTS_PATH
from benchmarks.serving_process import RECOMMEND, Process
from colisten.features.events import Event
from colisten.features.store import OnlineFeatures
from colisten.json_files import parse_json
from colisten.release.feature_files import features_of
from colisten.settings.tree import load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.use_cases.release import promote_release

NAME = "online_events"
STORES = ("sqlite", "redis")
USERS, EVENTS, WORKERS, CLIENTS, SHELVES = 50, 10_000, 4, 16, 200
TWICE = 4
"""Every so many-th event is sent twice."""
AGAIN = 5
"""How often what was answered 503 is sent again."""
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
PATIENT = (
    "serving.features_budget_ms=2000",
    "serving.search_budget_ms=2000",
    "serving.events_a_second=1000000",  # what is measured is the store
    "index.backend=exact",
)


def run() -> None:
    """Both stores, in turn."""
    rows = {}
    with tempfile.TemporaryDirectory() as work, client() as asking:
        folder = Path(work)
        made = _release(folder, folder / "out")
        for store in STORES:
            with ExitStack() as stack:
                place = made
                if store == "redis":
                    redis = stack.enter_context(serving_process.redis(folder))
                    place = on_redis(made, redis.address, folder / "redis")
                process = stack.enter_context(
                    serving_process.colisten(place.home, PATIENT, workers=WORKERS)
                )
                rows[store] = Service(place, process, asking).measure()
            print(f"{NAME}: {store}: {rows[store]}", flush=True)
    result = {**machine(), "workers": WORKERS, "clients": CLIENTS, "rows": rows}
    write_result(NAME, result)
    print(markdown(result))


def told(_: int, status: int, answer: bytes) -> bool | None:
    """Whether an event was new; None where it was not taken."""
    return None if status != 200 else b'"new":true' in answer.replace(b" ", b"")


class Service:
    """A running service and what is sent to it.

    Args:
        place: Its folder.
        process: Its processes.
        asking: Who sends.
    """

    def __init__(self, place: Place, process: Process, asking: Client) -> None:
        self._process = process
        self._asking = asking
        self._out = place.home
        self._loaded = place.release
        self._kind = self._loaded.manifest.target_type
        self._items = self._loaded.item_ids[self._loaded.target].tolist()
        self._client = httpx.Client(timeout=30, base_url=process.url)

    def measure(self) -> dict[str, Any]:
        """Send all events, check what is kept, then how soon a shelf changes."""
        events = self._events()
        sent = [*events, *events[::TWICE]]
        random.Random(0).shuffle(sent)
        poison = _Poison(f"{self._process.url}{EVENTS_PATH}")
        before = self._process.cpu_seconds()
        with poison:
            rounds, taken = self._send_all(sent)
        cpu = self._process.cpu_seconds() - before
        first = rounds[0]
        requests = sum(len(each.statuses) for each in rounds) + poison.answers.total()
        return {
            "events": len(events),
            "sent": len(sent),
            "accepted_as_new": sum(each.labels.count(True) for each in rounds),
            "kept": self._kept(taken),
            "statuses": first.by_status(),
            "never_taken": len({_key(each) for each in sent}) - len({_key(each) for each in taken}),
            "poison_refused": dict(poison.answers),
            "requests_per_second": round(len(first.statuses) / first.took),
            "cpu_ms_per_request": round(1e3 * cpu / requests, 2),
            "latency_ms": first.milliseconds(50, 95, 99),
            "event_to_changed_shelf_ms": self._to_shelf(),
        }

    def _send_all(self, sent: list[Event]) -> tuple[list[Answers], list[Event]]:
        """What came of each round of sending, and the events that were taken."""
        rounds: list[Answers] = []
        taken: list[Event] = []
        left = sent
        while left and len(rounds) <= AGAIN:
            requests = Requests(self._process.port, EVENTS_PATH, [_body(each) for each in left])
            answers = self._asking.ask(requests, Closed(CLIENTS, None), numbered)
            good = {number for number, new in answers.labels if new is not None}
            taken += [left[number] for number in good]
            left = [event for number, event in enumerate(left) if number not in good]
            rounds.append(answers.relabelled([new for _, new in answers.labels]))
        return rounds, taken

    def _events(self) -> list[Event]:
        start = _moment()
        return [
            Event(
                f"listener-{user}",
                self._items[at % len(self._items)],
                self._kind,
                "stream",
                start + timedelta(milliseconds=at),
            )
            for user in range(USERS)
            for at in range(EVENTS // USERS)
        ]

    def _kept(self, events: list[Event]) -> int:
        """How many events are held exactly once; raises where anything else is held."""
        loaded = self._loaded
        store = OnlineFeatures(
            features_of(self._out, loaded.manifest), loaded.index_of, loaded.spec.fields
        )
        users = sorted({event.user_id for event in events})
        batch = store.read(users)
        history = batch.histories[self._kind]
        owner = np.repeat(np.array(users, dtype=object), history.counts)
        held = Counter(zip(owner, loaded.item_ids[history.items], history.times, strict=True))
        expected = Counter({(each.user_id, each.item_id, each.time) for each in events})
        if held - expected:
            raise RuntimeError(f"Held without being sent, or twice: {held - expected}")
        return (held & expected).total()

    def _to_shelf(self) -> dict[str, float]:
        """From sending a start of the shelf's first title to a shelf without it, by one client."""
        took, user, at = [], "reader", _moment() + timedelta(minutes=1)
        for number in range(SHELVES):
            first = self._shelf(user)[0]
            event = Event(user, first, self._kind, "stream", at + timedelta(seconds=number))
            started = time.perf_counter()
            self._client.post(EVENTS_PATH, json=_body(event)).raise_for_status()
            if first in self._shelf(user):
                raise RuntimeError(f"{first} came back.")
            took.append(1e3 * (time.perf_counter() - started))
        return _quantiles(np.array(took))

    def _shelf(self, user: str) -> list[str]:
        asked = self._client.post(RECOMMEND, json={"user_id": user})
        answer = parse_json(asked.content)
        return [item["item_id"] for item in answer["items"]]


class _Poison:
    """A client that sends events of 1969 for as long as others send theirs."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[int] = Counter()
        self._url = url
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


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    lines = [
        "| store | events, sent with repeats | new | kept once | never taken | a second | "
        "p50 / p99 ms | event to changed shelf, p50 / p99 ms | of nonsense |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for store, row in result["rows"].items():
        shelf, took = row["event_to_changed_shelf_ms"], row["latency_ms"]
        poison = ", ".join(
            f"{n:,} answered {status}" for status, n in row["poison_refused"].items()
        )
        lines.append(
            f"| {store} | {row['events']:,}, {row['sent']:,} | {row['accepted_as_new']:,} | "
            f"{row['kept']:,} | {row['never_taken']} | {row['requests_per_second']} | "
            f"{took['p50']} / {took['p99']} | {shelf['p50']} / {shelf['p99']} | {poison} |"
        )
    about = f"{result['workers']} workers, {result['clients']} clients, {USERS} users. "
    return "\n".join([*lines, "", f"{about}Measured on {result['date']}."])


def numbered(number: int, status: int, answer: bytes) -> tuple[int, bool | None]:
    """Which event it was, and whether it was new; None where it was not taken."""
    return number, told(number, status, answer)


def _release(folder: Path, out: Path) -> Place:
    settings = load_settings(None, SMALL)
    window = world_window(folder / "world", simulate(folder / "world", WORLD))
    made = colisten.run(window.data, window.cut, out, settings, window_days=window.days)
    if not made.promoted:  # what it recommends is not what is measured
        promote_release(out, made.release_id)
    return Place(out, settings, ())


def _body(event: Event) -> dict[str, Any]:
    return {**vars(event), "timestamp": event.timestamp.isoformat()}


def _key(event: Event) -> tuple[str, str, datetime]:
    return event.user_id, event.item_id, event.timestamp


def _quantiles(values: np.ndarray) -> dict[str, float]:
    return {f"p{at}": round(float(np.percentile(values, at)), 1) for at in (50, 95, 99)}


def _moment() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)
