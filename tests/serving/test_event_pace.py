"""Who writes leaves room for who asks: shelves stay personal however fast events come."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.serving.event_pace import SECONDS, EventPace
from colisten.serving.lanes import Busy
from tests.conftest import CUT
from tests.serving.conftest import Home, Service, start, stop

PACE = 20
WRITERS = 4
SHELVES = 60


class Clock:
    """A clock that goes as it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    pace=st.integers(1, 200),
    sent=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 500)), min_size=1, max_size=60),
)
def test_no_more_is_taken_than_the_pace_allows(pace: int, sent: list[tuple[float, int]]) -> None:
    clock = Clock()
    bucket, taken = EventPace(pace, clock), 0
    for wait, events in sent:
        clock.now += wait
        try:
            bucket.take(events)
        except Busy as busy:
            # Whoever comes back when told is let in.
            clock.now += busy.retry_seconds
            bucket.take(events)
        taken += events
        # The last body may be longer than what was left.
        assert taken <= pace * (SECONDS + clock.now) + events


@pytest.fixture(scope="module")
def paced(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    started = start(
        home,
        tmp_path_factory.mktemp("paced") / "log",
        *(f"serving.events_a_second={PACE}", "serving.features_budget_ms=250"),
        "index.backend=exact",
    )
    yield started
    stop(started)


@pytest.mark.slow
@pytest.mark.undisturbed
def test_shelves_stay_personal_while_others_write(paced: Service) -> None:
    over, statuses = threading.Event(), Counter[int]()
    numbers = itertools.count()

    def write(_: int) -> None:
        with httpx.Client(timeout=30) as client:
            while not over.is_set():
                at = next(numbers)
                event = {
                    "user_id": f"writer {at % 50}",
                    "item_id": f"a{at % 40:03d}",
                    "item_type": "audiobook",
                    "signal": "stream",
                    "timestamp": (CUT + timedelta(seconds=at)).isoformat(),
                }
                answer = client.post(f"{paced.url}/v1/events", json=event)
                statuses[answer.status_code] += 1
                assert answer.status_code != 429 or int(answer.headers["retry-after"]) >= 1

    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write, one) for one in range(WRITERS)]
        try:
            # The bucket of the beginning is emptied first.
            while not statuses[429]:
                over.wait(0.05)
            shelves = [
                paced.post("/v1/recommend", user_id=f"u{at:04d}").json()["how"]
                for at in range(SHELVES)
            ]
        finally:
            over.set()
        for one in writers:
            one.result()
    assert set(statuses) == {200, 429}
    assert statuses[429] > statuses[200], "events come at many times the pace"
    popular = [how for how in shelves if how["vector"] != "two_tower"]
    assert len(popular) <= SHELVES // 20, popular
