"""Events of one user that come at once, to two workers, while another client sends nonsense."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

import colisten
from colisten.features.store import OnlineFeatures
from tests.conftest import CUT
from tests.feature_folders import live_features
from tests.redis_server import redis_server
from tests.serving.conftest import Home, Service, start, stop
from tests.serving.test_seen import make_home

pytestmark = pytest.mark.slow

BUSY, USERS, EACH = "newcomer", ["newcomer", "u0003", "u0007"], 40
Body = dict[str, str]


@pytest.fixture(params=["sqlite", "redis"])
def service(
    request: pytest.FixtureRequest, tiny_history: Path, tmp_path: Path
) -> Iterator[Service]:
    @contextmanager
    def settings() -> Iterator[dict[str, str]]:
        if request.param == "sqlite":
            yield {}
        else:
            with redis_server(tmp_path) as address:
                yield {"online_store": "redis", "redis": address}

    with settings() as features:
        folder = make_home(tiny_history, tmp_path, history_length=200, **features)
        started = start(Home(folder, []), tmp_path / "log", "index.backend=exact", workers=2)
        yield started
        stop(started)


def body(user: str, at: int) -> Body:
    return {
        "user_id": user,
        "item_id": f"a{at:03d}",
        "item_type": "audiobook",
        "signal": "stream",
        "timestamp": (CUT + timedelta(seconds=at)).isoformat(),
    }


def send(client: httpx.Client, url: str, event: Body) -> bool:
    """Whether the event was new; one that was not stored is sent again, as the answer says."""
    for _ in range(50):
        answer = client.post(f"{url}/v1/events", json=event)
        if answer.status_code != 503:
            assert answer.status_code == 200, answer.text
            return bool(answer.json()["new"])
    raise AssertionError("Never stored.")


def test_each_is_kept_once_and_poison_costs_nothing(service: Service) -> None:
    url, over = f"{service.url}", threading.Event()
    poison: Counter[int] = Counter()

    def send_poison() -> None:
        with httpx.Client(timeout=30) as client:
            while not over.is_set():
                event = body(BUSY, 0) | {"timestamp": "1969-12-31T00:00:00Z"}
                answer = client.post(f"{url}/v1/events", json=event)
                poison[answer.status_code] += 1
                assert [one["field"] for one in answer.json()["fields"]] == ["timestamp"]

    events = [body(user, at) for user in USERS for at in range(EACH)]
    twice = [*events, *events]
    random.Random(0).shuffle(twice)
    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(9) as pool:
        nonsense = pool.submit(send_poison)
        new = list(pool.map(lambda event: send(client, url, event), twice))
        over.set()
        nonsense.result()
        shelves = [
            client.post(f"{url}/v1/recommend", json={"user_id": user}).json() for user in USERS
        ]
    assert list(poison) == [400]
    assert poison[400] > 20
    once = Counter(
        (event["user_id"], event["item_id"])
        for event, first in zip(twice, new, strict=True)
        if first
    )
    assert once == Counter((event["user_id"], event["item_id"]) for event in events)
    # All forty titles were had, so there is nothing left to show, on any rung and in any worker.
    assert [shelf["items"] for shelf in shelves] == [[], [], []]

    release = colisten.load_release(service.home.folder).loaded
    features = live_features(service.home.folder)
    batch = OnlineFeatures(features, release.index_of, release.spec.fields).read(USERS)
    history = batch.histories["audiobook"]
    since = history.where(history.times >= int(CUT.timestamp()) * 1_000_000)
    owners = np.repeat(np.array(USERS, dtype=object), since.counts)
    kept = Counter(zip(owners, release.item_ids[since.items], strict=True))
    assert kept == once
