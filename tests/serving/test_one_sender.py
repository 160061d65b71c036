"""What one client sends, and what is stored of one user, harms nobody else.

Real parts: the routes, the runtime, Feast on SQLite, a published release.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feast.protos.feast.types.Value_pb2 import Value
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from colisten.data.ids import MAX_ID_BYTES, id_fault
from colisten.features.users import UserBatch
from colisten.release.loaded import LoadedRelease
from colisten.serving.app import THREADS, build_app
from colisten.serving.endpoints import ENDPOINTS
from colisten.serving.environment import Environment
from colisten.serving.problems import Refused
from colisten.serving.requests import (
    MAX_BODY_BYTES,
    EventRequest,
    RecommendRequest,
    Request,
    SimilarRequest,
    VectorRequest,
)
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.feature_folders import live_features, online_db
from tests.serving.strange import STRANGE, make_strange_home, moments

# Patient with a machine that is shared: what is tested is who is blamed, not how fast.
PATIENT = (
    "index.backend=exact",
    "serving.features_budget_ms=30000",
    "serving.search_budget_ms=30000",
    "serving.debug_vectors=true",
)
FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
EVENT: dict[str, Any] = {
    "user_id": "u0060",
    "item_id": "a030",
    "item_type": "audiobook",
    "signal": "stream",
    "timestamp": "2025-07-01T00:00:00Z",
}
MOMENT = moments(CUT + timedelta(days=1))

IDS = st.one_of(
    st.sampled_from(STRANGE),
    st.text(min_size=1, max_size=40),
    st.builds(
        lambda letter, bytes_: letter * (bytes_ // len(letter.encode())),
        st.sampled_from("x\0\u00e5\u20ac\U0001f600"),
        st.integers(MAX_ID_BYTES - 9, MAX_ID_BYTES + 9),
    ),
)
HOSTILE = st.one_of(
    IDS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.integers(10**300, 10**4000),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.datetimes(max_value=datetime(1, 1, 2)).map(lambda moment: f"{moment.isoformat()}+14:00"),
    st.datetimes(min_value=datetime(9999, 12, 30)).map(lambda m: f"{m.isoformat()}-14:00"),
    st.sampled_from(["\ud800", "1700000000", "1e400", "", " ", "9" * 5_000, "2025-01-01", "now"]),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)


def raw(value: Any) -> bytes:
    """JSON as a careless client writes it: NaN, lone surrogates, numbers of any length."""
    digits = {"allow_nan": True, "ensure_ascii": True}
    return json.dumps(value, **digits).encode()  # type: ignore[arg-type]


FIELDS = sorted({*EVENT, "k", "language", "country", "exclude", "\0", "more"})
BODIES = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), HOSTILE, max_size=3).map(
        lambda change: raw(EVENT | change)
    ),
    st.dictionaries(st.sampled_from(FIELDS), HOSTILE, max_size=4).map(raw),
    st.tuples(st.sampled_from(FIELDS), HOSTILE).map(
        # One key twice: which of the two counts is not ours to say, but it is no 500.
        lambda twice: raw(EVENT)[:-1] + b"," + raw({twice[0]: twice[1]})[1:]
    ),
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"[" * 200_000,
            b'{"user_id":' * 50_000,
            b'{"user_id": ' + b"9" * 400_000 + b"}",
            b"\xff\xfe" + json.dumps(EVENT).encode("utf-16-le"),
            json.dumps(EVENT).encode("latin-1") + b"\xe9",
            b'{"exclude": ' + raw(["a"] * 100_000) + b"}",
            raw({"user_id": "u", "language": "en" + "-abcde" * 100_000}),
            raw({"user_id": "u", "language": "en" + "-x-y" * 20}),
            raw({f"{number}": 0 for number in range(60_000)}),
            raw(EVENT | {"signal": "stream" * 100_000}),
        ]
    ),
)
PATHS = st.sampled_from(sorted(one.path for one in ENDPOINTS if one.request is not None))
JSON = {"content-type": "application/json"}
HEADERS = st.sampled_from(
    [
        JSON,
        JSON | {"content-encoding": "gzip"},
        {"content-type": "application/json; charset=utf-16"},
    ]
)


@pytest.fixture(scope="module")
def home(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_strange_home(tiny_history, tmp_path_factory.mktemp("strange"), as_of=CUT)


@pytest.fixture(scope="module")
def runtime(home: Path) -> Iterator[Runtime]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colisten.serving.runtime._PUSH_SECONDS", 30.0)
        patch.setattr("colisten.features.row_turns.PATIENCE_SECONDS", 20.0)
        opened = Runtime.open(Environment(home, load_settings(None, PATIENT)))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> Iterator[TestClient]:
    app = build_app()
    app.state.runtime = runtime
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


def overwrite(home: Path, user: str, feature: str, value: object, column: str = "value") -> None:
    """Put something in place of what the online store holds of one user."""
    with closing(sqlite3.connect(online_db(live_features(home)))) as store, store:
        changed = sum(
            store.execute(
                f'UPDATE "{table}" SET {column} = ? '
                "WHERE instr(entity_key, ?) > 0 AND feature_name = ?",
                (value, user.encode(), feature),
            ).rowcount
            for table in user_tables(store)
        )
    assert changed == 1


def user_tables(store: sqlite3.Connection) -> list[str]:
    found = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in found if "user_" in name]


@contextmanager
def mended(home: Path, user: str) -> Iterator[None]:
    """Whatever is done to the rows of one user is undone at the end."""
    cells = "value, event_ts"
    with closing(sqlite3.connect(online_db(live_features(home)))) as store:
        rows = [
            (table, *row)
            for table in user_tables(store)
            for row in store.execute(
                f'SELECT {cells}, rowid FROM "{table}" WHERE instr(entity_key, ?) > 0',
                (user.encode(),),
            )
        ]
        try:
            yield
        finally:
            with store:
                for table, *row in rows:
                    store.execute(f'UPDATE "{table}" SET ({cells}) = (?, ?) WHERE rowid = ?', row)


def others_are_well(client: TestClient) -> None:
    """A good event of another user is stored, and another user gets a shelf by every stage."""
    event = EVENT | {"user_id": "u0061", "timestamp": next(MOMENT).isoformat()}
    answer = client.post("/v1/events", json=event)
    assert (answer.status_code, answer.json()["new"]) == (200, True)
    shelf = client.post("/v1/recommend", json={"user_id": "u0062"}).json()
    how = {"vector": "two_tower", "search": "exact", "fallbacks": [], "unknown": []}
    assert shelf["how"] == how


@FEW
@given(path=PATHS, body=BODIES, headers=HEADERS)
def test_whatever_one_client_sends_is_answered_and_others_are_well(
    client: TestClient, path: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text
    if answer.status_code == 400:
        assert answer.json()["fields"], answer.text
    assert len(answer.content) < MAX_BODY_BYTES
    others_are_well(client)


@pytest.mark.parametrize(
    "moment",
    [
        "1969-12-31T00:00:00Z",
        "1989-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_an_event_that_can_never_be_stored_is_its_senders_fault(
    client: TestClient, runtime: Runtime, moment: str
) -> None:
    for _ in range(10):
        answer = client.post("/v1/events", json=EVENT | {"timestamp": moment})
        assert answer.status_code == 400
        assert [one["field"] for one in answer.json()["fields"]] == ["timestamp"]
        # Not through JSON, the event itself is judged, and before the store is asked.
        built = EventRequest(**{**EVENT, "timestamp": datetime(1969, 12, 31, tzinfo=UTC)})
        with pytest.raises(Refused) as caught:
            runtime.push(built)
        assert caught.value.status == 400
        assert caught.value.fault.fields[0].field == "timestamp"
    others_are_well(client)


def test_events_on_unknown_items_leave_a_personal_shelf(client: TestClient) -> None:
    def shelf() -> list[str]:
        answer = client.post("/v1/recommend", json={"user_id": "u0064", "k": 40}).json()
        assert answer["how"]["vector"] == "two_tower"
        return [item["item_id"] for item in answer["items"]]

    before = shelf()
    for kind in ("audiobook", "podcast"):
        strange = [
            EVENT
            | {"user_id": "u0064", "item_id": f"nobody's {at}", "item_type": kind}
            | {"timestamp": next(MOMENT).isoformat()}
            for at in range(200)
        ]
        answer = client.post("/v1/events", json={"events": strange}).json()
        assert answer["accepted"] == 200
        assert not any(one["known_item"] for one in answer["events"])
    assert shelf() == before


def test_an_event_of_the_wrong_type_is_its_senders_fault(client: TestClient) -> None:
    for _ in range(10):
        answer = client.post("/v1/events", json=EVENT | {"item_type": "podcast"})
        assert answer.status_code == 400
        assert answer.json()["fields"][0]["field"] == "item_type"
    others_are_well(client)


def test_a_damaged_row_is_one_users_trouble(client: TestClient, home: Path) -> None:
    torn, bent = "u0070", "u0071"
    overwrite(home, torn, "podcast_item_ids", b"\xff\xff\xff")
    overwrite(home, bent, "podcast_item_ids", b"")
    event = {"item_id": "p059", "item_type": "podcast", "signal": "stream"}
    for user in (torn, bent):
        for _ in range(6):
            how = client.post("/v1/recommend", json={"user_id": user}).json()["how"]
            assert how["fallbacks"] == ["user_unreadable"]
            assert how["vector"] == "popular"
            answer = client.post("/v1/events", json=EVENT | event | {"user_id": user})
            assert (answer.status_code, answer.json()["code"]) == (503, "not_stored")
            assert client.post("/v1/user_vector", json={"user_id": user}).status_code == 503
        others_are_well(client)


def stored(**value: Any) -> bytes:
    return bytes(Value(**value).SerializeToString())


FEATURES = st.sampled_from(
    [f"podcast_{part}" for part in ("item_ids", "signals", "times")]
    + ["country", "age", "music_vector", "audiobook_seen"]
)
# Of another schema, torn, of another type, of no calendar.
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=9),
    st.binary(max_size=30),
    st.datetimes().map(lambda moment: (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)),
    st.builds(lambda text: stored(string_val=text), st.text(max_size=9)),
    st.builds(lambda torn: stored(bytes_val=torn), st.binary(max_size=30)),
    st.builds(lambda number: stored(int64_val=number), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda many: stored(bytes_list_val={"val": many}), st.lists(st.binary(max_size=3))),
    st.builds(
        lambda many: stored(string_list_val={"val": many}),
        st.lists(st.sampled_from(["p001", "like", "stream", ""]), max_size=9),
    ),
    *(
        st.builds(
            lambda many, kind: stored(**{kind: {"val": many}}),
            st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9),
            st.just(kind),
        )
        for kind in ("int64_list_val", "unix_timestamp_list_val")
    ),
    st.builds(
        lambda many: stored(double_list_val={"val": many}), st.lists(st.floats(), max_size=9)
    ),
)


@FEW
@given(feature=FEATURES, column=st.sampled_from(["value", "value", "event_ts"]), cell=CELLS)
@example(feature="podcast_times", column="event_ts", cell="garbage")
@example(feature="podcast_times", column="event_ts", cell=10_413_792_000)
@example(feature="podcast_times", column="event_ts", cell=253_402_300_799)
@example(feature="podcast_times", column="event_ts", cell=None)
@example(feature="podcast_item_ids", column="value", cell=5)
@example(feature="podcast_times", column="value", cell=stored(unix_timestamp_val=2**62))
@example(feature="audiobook_seen", column="value", cell=stored(bytes_val=b"torn"))
@example(feature="audiobook_seen", column="value", cell=stored(int64_val=3))
def test_whatever_is_stored_of_one_user_is_that_users_trouble(
    client: TestClient, home: Path, feature: str, column: str, cell: object
) -> None:
    user = "u0074"
    event = {"item_id": "p059", "item_type": "podcast", "signal": "stream", "user_id": user}
    if feature == "audiobook_seen":
        event |= {"item_id": "a030", "item_type": "audiobook"}
    with mended(home, user):
        overwrite(home, user, feature, cell, column)
        for _ in range(4):
            shelf = client.post("/v1/recommend", json={"user_id": user})
            assert shelf.status_code == 200
            assert len(shelf.json()["items"]) == 10
            answer = client.post("/v1/events", json=EVENT | event)
            assert answer.status_code in (200, 503)
        # Also from beside the service: nothing that failed keeps the store locked.
        with closing(sqlite3.connect(online_db(live_features(home)), timeout=1.0)) as other:
            other.execute("BEGIN EXCLUSIVE").connection.rollback()
        others_are_well(client)


def test_events_that_wait_for_a_locked_store_hold_up_nobody_who_asks(
    client: TestClient, home: Path
) -> None:
    store = sqlite3.connect(online_db(live_features(home)), isolation_level=None)
    with closing(store) as other, ThreadPoolExecutor(2 * THREADS) as pool:
        other.execute("BEGIN IMMEDIATE")
        events = [
            EVENT | {"user_id": f"u009{at}", "timestamp": next(MOMENT).isoformat()}
            for at in range(2 * THREADS)
        ]
        pushed = [pool.submit(client.post, "/v1/events", json=event) for event in events]
        time.sleep(0.2)
        for _ in range(5):
            shelf = client.post("/v1/recommend", json={"user_id": "u0062"}).json()
            assert shelf["how"]["fallbacks"] == []
        assert not any(one.done() for one in pushed)
        other.execute("ROLLBACK")
        assert [one.result().status_code for one in pushed] == [200] * len(pushed)


def test_numbers_beyond_all_bounds_are_one_users_trouble(client: TestClient, home: Path) -> None:
    for numbers in ([3e38, -3e38, 3e38, 3e38], [float("inf")] * 4):
        overwrite(home, "u0072", "music_vector", stored(float_list_val={"val": numbers}))
        for _ in range(6):
            shelf = client.post("/v1/recommend", json={"user_id": "u0072"}).json()
            assert not [one for one in shelf["how"]["fallbacks"] if one.startswith("index")]
            assert len(shelf["items"]) == 10
        others_are_well(client)


def test_a_vector_that_no_index_takes_is_no_failure_of_the_index(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = LoadedRelease.user_vectors

    def strange(release: LoadedRelease, batch: UserBatch) -> np.ndarray:
        # No tower of ours makes such a vector; one that somebody brings may.
        vectors = made(release, batch)
        return vectors * np.nan if batch.user_ids[0] == "u0073" else vectors

    monkeypatch.setattr(LoadedRelease, "user_vectors", strange)
    for _ in range(6):
        shelf = client.post("/v1/recommend", json={"user_id": "u0073"}).json()
        assert shelf["how"]["fallbacks"] == ["tower_error"]
        assert len(shelf["items"]) == 10
    others_are_well(client)


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: ascii(name)[:20])
def test_what_is_trained_can_be_asked_for(client: TestClient, name: str) -> None:
    shelf = client.post("/v1/recommend", json={"user_id": name, "k": 40}).json()
    assert shelf["user_id"] == name
    assert shelf["how"]["fallbacks"] == []
    near = client.post("/v1/similar", json={"item_id": name, "k": 40}).json()
    assert near["item_id"] == name
    assert name not in [item["item_id"] for item in near["items"]]
    everyone = client.post("/v1/recommend", json={"user_id": "never seen", "k": 100}).json()
    assert name in [item["item_id"] for item in everyone["items"]]
    without = client.post(
        "/v1/recommend", json={"user_id": "never seen", "k": 100, "exclude": [name]}
    )
    assert len(without.json()["items"]) == len(everyone["items"]) - 1
    event = EVENT | {"user_id": name, "item_id": name, "timestamp": next(MOMENT).isoformat()}
    first, again = (client.post("/v1/events", json=event).json() for _ in range(2))
    assert first == {"accepted": True, "new": True, "known_item": True}
    assert again == {"accepted": True, "new": False, "known_item": True}
    after = client.post("/v1/recommend", json={"user_id": name, "k": 40}).json()
    assert name not in [item["item_id"] for item in after["items"]]


@FEW
@given(user=IDS, item=IDS)
def test_a_text_is_an_id_here_where_it_is_one_in_the_tables(
    client: TestClient, user: str, item: str
) -> None:
    good = id_fault(user) is None
    asked: tuple[tuple[type[Request], dict[str, Any]], ...] = (
        (RecommendRequest, {"user_id": user}),
        (RecommendRequest, {"user_id": "u", "exclude": ["a", user]}),
        (SimilarRequest, {"item_id": user}),
        (VectorRequest, {"user_id": user}),
        (EventRequest, EVENT | {"user_id": user}),
        (EventRequest, EVENT | {"item_id": user}),
    )
    for model, body in asked:
        try:
            model.model_validate_json(json.dumps(body))
        except ValueError:
            assert not good
        else:
            assert good
    if not good or id_fault(item) is not None:
        return
    event = EVENT | {"user_id": user, "item_id": item, "timestamp": next(MOMENT).isoformat()}
    answers = [client.post("/v1/events", json=event) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    # The second is known again by its ids as the store gave them back.
    assert [answer.json()["new"] for answer in answers] == [True, False]
