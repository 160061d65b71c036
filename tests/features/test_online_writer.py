"""Events of one user that come at once are all kept, each once, whoever stores them."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.catalogue import Catalogue
from colisten.errors import UserBusy
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features import event_ids, names, online_writer, row_turns
from colisten.features.events import Event
from colisten.features.lightfeast import Value
from colisten.features.online_writer import _with_event
from colisten.features.seen import id_hashes
from colisten.features.store import OnlineFeatures, open_online
from colisten.settings.sections import FeatureSettings
from tests.conftest import CUT, FIELDS
from tests.features.sender import nowhere, send

PROCESSES, USERS, EACH = 3, 3, 40
SECOND = timedelta(seconds=1)


def keep_all(history: Path, folder: Path, catalogue: Catalogue, **features: Any) -> None:
    """Several processes send the same events, each in its own order."""
    settings = FeatureSettings(history_length=400, **features)
    build_feature_repo(history, folder, as_of=CUT, features=settings)
    materialize(folder, as_of=CUT)
    before = OnlineFeatures(folder, catalogue.index_of, FIELDS).read([f"u{at}" for at in "012"])
    assert not before.known.any()
    events = [
        Event(f"u{user}", f"a{at:03d}", "audiobook", "stream", CUT + at * SECOND)
        for user in range(USERS)
        for at in range(EACH)
    ]
    orders = [random.Random(seed).sample(events, len(events)) for seed in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        new = [event for sent in pool.map(send, [folder] * PROCESSES, orders) for event in sent]
    assert Counter(new) == Counter(events)
    after = OnlineFeatures(folder, catalogue.index_of, FIELDS).read([f"u{at}" for at in "012"])
    kept, had = after.histories["audiobook"], after.seen
    assert kept.counts.tolist() == [EACH] * USERS
    assert catalogue.item_ids[kept.items].tolist() == [event.item_id for event in events]
    assert kept.times.tolist() == [event.time for event in events]
    assert had is not None
    everything = np.sort(id_hashes(f"a{at:03d}" for at in range(EACH))).tolist()
    assert [one.tolist() for one in had] == [everything] * USERS


def test_sqlite_keeps_every_event_of_many_processes(
    tiny_history: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    keep_all(tiny_history, tmp_path / "out", catalogue)


@pytest.mark.slow
def test_redis_keeps_every_event_of_many_processes(
    redis_address: str, tiny_history: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    keep_all(tiny_history, tmp_path / "out", catalogue, online_store="redis", redis=redis_address)


def known_by_id(history: Path, folder: Path, **features: Any) -> None:
    """Several threads send events of the same ids, each stamped anew."""
    settings = FeatureSettings(history_length=400, **features)
    build_feature_repo(history, folder, as_of=CUT, features=settings)
    materialize(folder, as_of=CUT)
    online = [OnlineFeatures(folder, nowhere, FIELDS) for _ in range(2)]

    def event(name: int, copy: int, user: str = "u0") -> Event:
        moment = CUT + (10 * name + copy) * SECOND
        return Event(user, f"p{name:03d}", "podcast", "stream", moment, f"id {name}")

    sent = [event(name, copy) for copy in range(4) for name in range(12)]
    with ThreadPoolExecutor(6) as pool:
        new = list(pool.map(lambda at: online[at % 2].push(sent[at]), range(len(sent))))
    assert sum(new) == 12
    # The same id of another user, and of none, is another event.
    assert online[0].push(event(3, 0, "u1"))
    assert online[0].push(replace(event(3, 9), event_id=None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_ids, "MOST", 16)
        for name in range(100, 116):
            assert online[1].push(replace(event(3, name), event_id=f"id {name}"))
        assert online[0].push(event(0, 5)) is True, "the oldest ids make room"
        assert online[0].push(event(115, 5)) is False
    # What is there already says so, and its id is known from then on.
    assert online[0].push(replace(event(0, 5), event_id="another")) is False
    assert online[0].push(replace(event(0, 6), event_id="another")) is False


def test_sqlite_knows_events_by_their_ids(tiny_history: Path, tmp_path: Path) -> None:
    known_by_id(tiny_history, tmp_path / "out")


@pytest.mark.slow
def test_redis_knows_events_by_their_ids(
    redis_address: str, tiny_history: Path, tmp_path: Path
) -> None:
    known_by_id(tiny_history, tmp_path / "out", online_store="redis", redis=redis_address)


@pytest.mark.slow
def test_a_lock_whose_holder_died_in_redis_costs_its_user_a_moment(
    redis_address: str, tiny_history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FeatureSettings(online_store="redis", redis=redis_address)
    folder = build_feature_repo(tiny_history, tmp_path / "out", as_of=CUT, features=settings)
    online = OnlineFeatures(folder, nowhere, FIELDS)
    host, _, port = redis_address.partition(":")
    client = redis.Redis(host, int(port))
    # As a worker leaves it that is killed while it writes.
    writing = row_turns.writing_lock(open_online(folder).project, "u0")
    assert client.lock(writing, timeout=2.5).acquire()
    event = Event("u0", "p001", "podcast", "stream", CUT)
    with pytest.raises(UserBusy, match="Send it again"):
        online.push(event)
    assert online.push(Event("u1", "p001", "podcast", "stream", CUT))
    assert online.push(event)
    # One that was held up for longer than its lock lasts does not write over what came since.
    monkeypatch.setattr(row_turns, "LOCK_SECONDS", 0.05)
    taken = online_writer._with_event

    def slow(*given: Any) -> Any:
        monkeypatch.setattr(online_writer, "_with_event", taken)
        monkeypatch.setattr(row_turns, "LOCK_SECONDS", 10.0)
        while client.get(writing) is not None:
            pass
        assert OnlineFeatures(folder, nowhere, FIELDS).push(
            Event("u0", "p002", "podcast", "stream", CUT)
        )
        return taken(*given)

    monkeypatch.setattr(online_writer, "_with_event", slow)
    late = Event("u0", "p003", "podcast", "stream", CUT)
    with pytest.raises(UserBusy, match="too long"):
        online.push(late)
    assert online.push(late)
    answer = online._store.get_online_features(
        features=[f"{names.history_view('podcast')}:podcast_item_ids"],
        entity_rows=[{"user_id": "u0"}],
    )
    assert answer.to_dict()["podcast_item_ids"] == [["p001", "p002", "p003"]]


EVENTS = st.lists(
    st.builds(
        lambda item, signal, at: Event("u", item, "podcast", signal, CUT + at * SECOND),
        st.sampled_from("abc"),
        st.sampled_from(["stream", "follow"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(events=EVENTS, length=st.integers(1, 6))
def test_a_history_holds_the_latest_events_in_whatever_order_they_come(
    events: list[Event], length: int
) -> None:
    held: dict[str, Value] = {}
    for event in events:
        held = _with_event(held, event, length, nowhere) or held
    expected = sorted({(each.time, each.item_id, each.signal) for each in events})[-length:]
    ids, signals, times = names.history_columns("podcast")
    if events:
        stored = (held[times].int64_list_val, held[ids].string_list_val)
        kept = zip(*(each.val for each in stored), held[signals].string_list_val.val, strict=True)
        assert list(kept) == expected
    for event in events:
        assert _with_event(held, event, length, nowhere) is None


@settings(max_examples=200, deadline=None)
@given(
    sent=st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=60),
    length=st.integers(1, 30),
)
def test_events_on_unknown_items_leave_what_a_model_reads(
    sent: list[tuple[bool, int]], length: int
) -> None:
    def index_of(ids: Any) -> np.ndarray:
        return np.array([0 if one.startswith("known") else -1 for one in ids])

    held: dict[str, Value] = {}
    for known, at in sent:
        item = f"known{at}" if known else f"new{at}"
        event = Event("u", item, "podcast", "stream", CUT + at * SECOND)
        held = _with_event(held, event, length, index_of) or held
    ids = names.history_columns("podcast")[0]
    kept = list(held[ids].string_list_val.val) if sent else []
    share = max(1, length // 10)
    latest = sorted({at for known, at in sent if known})[-max(0, length - share) or len(sent) :]
    if length > share:
        assert {f"known{at}" for at in latest} <= set(kept)
    assert len(kept) <= length
    strangers = sum(one.startswith("new") for one in kept)
    assert strangers <= max(share, length - (len(kept) - strangers))


def test_starts_of_unknown_items_are_noted_up_to_a_bound() -> None:
    column = names.seen_column("audiobook")
    full = np.arange(online_writer._MOST_SEEN, dtype=np.uint64).tobytes()
    held = {column: Value(bytes_val=full)}
    event = Event("u", "a001", "audiobook", "stream", CUT)
    assert online_writer._with_start(held, event, nowhere) is None
    noted = online_writer._with_start(held, event, lambda ids: np.zeros(len(ids), int))
    assert noted is not None
    assert len(noted[column].bytes_val) == len(full) + 8
