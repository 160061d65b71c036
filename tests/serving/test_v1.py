"""What a request may say and ask beyond a user's name, over the routes and a real feature store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from colisten.features.store import OnlineFeatures
from colisten.index import ExactIndex
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving.app import build_app
from colisten.serving.endpoints import MOVED
from colisten.serving.environment import Environment
from colisten.serving.problems import MEDIA_TYPE
from colisten.serving.requests import RecommendRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.feature_folders import live_features
from tests.release.payloads import make_parts
from tests.serving.strange import make_strange_home

PATIENT = (
    "index.backend=exact",
    "serving.features_budget_ms=30000",
    "serving.exposures_flush_seconds=60",
    "experiment.name=v1",
    "experiment.control=holdout",
    'experiment.arms={"holdout":{"share":0.5,"shows":"popular"},"live":{"share":0.5}}',
)
USER, OTHER = "u0060", "u0071"
LATER = CUT + timedelta(days=2)


@pytest.fixture(scope="module")
def home(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_strange_home(tiny_history, tmp_path_factory.mktemp("v1"), as_of=CUT)


@pytest.fixture(scope="module")
def runtime(home: Path) -> Iterator[Runtime]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colisten.serving.runtime._PUSH_SECONDS", 30.0)
        opened = Runtime.open(Environment(home, load_settings(None, PATIENT)))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(runtime: Runtime) -> Iterator[TestClient]:
    app = build_app()
    app.state.runtime = runtime
    with TestClient(app, follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def bare(published: tuple[ReleaseStore, ExactIndex, list[str]]) -> Iterator[TestClient]:
    """A service whose folder has no feature store."""
    settings = load_settings(None, ("index.backend=exact",))
    runtime = Runtime.open(Environment(published[0].root, settings))
    app = build_app()
    app.state.runtime = runtime
    with TestClient(app) as client:
        yield client
    runtime.close()


def release_of(runtime: Runtime) -> LoadedRelease:
    assert runtime.live is not None
    return runtime.live


def shelf(client: TestClient, **asked: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommend", json={"arm": "live", "k": 40, **asked})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def ranked(answer: dict[str, Any]) -> list[tuple[str, Any]]:
    items = answer["items"]
    return [(item["item_id"], pytest.approx(item["inner_product"], abs=1e-5)) for item in items]


def inline(runtime: Runtime, home: Path, user_id: str) -> dict[str, Any]:
    """All that the store knows of a user, as a request says it."""
    release = release_of(runtime)
    online = OnlineFeatures(live_features(home), release.index_of, release.spec.fields)
    user = online.read([user_id])
    history = [
        {
            "item_id": str(release.item_ids[item]),
            "item_type": item_type,
            "signal": release.spec.signals[signal],
            "timestamp": (datetime.fromtimestamp(0, CUT.tzinfo) + timedelta(microseconds=time)),
        }
        for item_type, events in user.histories.items()
        for item, signal, time in zip(
            events.items.tolist(), events.signals.tolist(), events.times.tolist(), strict=True
        )
    ]
    features: dict[str, Any] = {"country": user.countries[0]}
    if user.ages[0] == user.ages[0]:
        features["age"] = float(user.ages[0])
    if user.music.shape[1] and user.music[0][0] == user.music[0][0]:
        features["music_vector"] = user.music[0].tolist()
    told = [{**one, "timestamp": one["timestamp"].isoformat()} for one in history]
    assert len(told) > 3
    return {"history": told[::-1], "features": features}


def test_what_a_request_says_counts_as_what_is_stored(
    client: TestClient, runtime: Runtime, home: Path
) -> None:
    stored = shelf(client, user_id=USER)
    said = inline(runtime, home, USER)
    nobody = shelf(client, **said)
    assert nobody["how"] == stored["how"]
    assert ranked(nobody) == ranked(stored)
    assert nobody["user_id"] is None
    # In place of another user's history too; what that user had does not come back either.
    other = shelf(client, user_id=OTHER, history_mode="replace", **said)
    had = {item for item, _ in ranked(stored)} - {item for item, _ in ranked(other)}
    assert had
    assert not had & {item for item, _ in ranked(shelf(client, user_id=OTHER))}
    assert ranked(other) == [one for one in ranked(stored) if one[0] not in had]
    # Said twice is said once.
    assert ranked(shelf(client, user_id=USER, **said)) == ranked(stored)


def test_a_session_changes_the_shelf_as_its_events_would(client: TestClient) -> None:
    first, second = (item for item, _ in ranked(shelf(client, user_id=OTHER))[:2])
    done = [
        {"item_id": first, "signal": "stream", "timestamp": LATER.isoformat()},
        {"item_id": second, "signal": "preview", "timestamp": LATER.isoformat()},
        {"item_id": "not in the catalogue", "signal": "stream"},
    ]
    session = shelf(client, user_id=OTHER, history=done)
    assert session["how"]["unknown"] == [
        {"field": "history.2.item_id", "value": "not in the catalogue"}
    ]
    assert first not in {item for item, _ in ranked(session)}
    assert ranked(session) != ranked(shelf(client, user_id=OTHER))
    for event in done[:2]:
        sent = {**event, "user_id": OTHER, "item_type": "audiobook"}
        assert client.post("/v1/events", json=sent).status_code == 200
    assert ranked(shelf(client, user_id=OTHER)) == ranked(session)


def test_nobody_that_is_known_is_in_no_arm(client: TestClient, runtime: Runtime) -> None:
    assert runtime._log is not None
    taken = runtime._log.info()["exposures"].taken
    session = {"history": [{"item_id": "p031", "signal": "stream"}]}
    for _ in range(8):
        answer = client.post("/v1/recommend", json=session).json()
        assert (answer["arm"], answer["how"]["vector"]) == (None, "two_tower")
    assert runtime._log.info()["exposures"].taken == taken
    answer = client.post("/v1/recommend", json={"features": {}}).json()
    assert answer["how"]["fallbacks"] == ["user_unknown"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"history": [{"item_id": "a030", "signal": "like"}]}, "history.0.signal"),
        (
            {"history": [{"item_id": "a030", "signal": "stream", "item_type": "podcast"}]},
            "history.0.item_type",
        ),
        (
            {"history": [{"item_id": "a", "signal": "stream", "item_type": "song"}]},
            "history.0.item_type",
        ),
        ({"features": {"music_vector": [1.0]}}, "features.music_vector"),
        ({"features": {"further": {"shoe": 41}}}, "features.further.shoe"),
        ({"features": {"age": 150}}, "features.age"),
        ({"history": [{"item_id": "a", "signal": "stream"}] * 101}, "history"),
        ({"min_release": "LIVE"}, "min_release"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(
    client: TestClient, said: dict[str, Any], field: str
) -> None:
    answer = client.post("/v1/recommend", json={"user_id": USER, **said})
    assert answer.status_code == 400, answer.text
    assert [one["field"] for one in answer.json()["fields"]] == [field]
    assert answer.headers["content-type"] == MEDIA_TYPE


def test_the_time_of_each_stage_stands_beside_a_shelf(client: TestClient) -> None:
    answer = client.post("/v1/recommend", json={"user_id": USER, "arm": "live"})
    stages = [part.partition(";dur=") for part in answer.headers["server-timing"].split(", ")]
    assert [name for name, _, _ in stages] == ["features", "encode", "search", "why", "answer"]
    assert all(0 <= float(took) < 30_000 for _, _, took in stages)


def test_several_shelves_are_those_of_each_alone(client: TestClient) -> None:
    asked: list[Any] = [
        {"user_id": USER, "k": 7, "arm": "live"},
        {"user_id": "never seen", "arm": "live"},
        {"user_id": USER, "filter": {"include": {"shoe": ["41"]}}},
        {"user_id": USER, "k": 501},
        7,
        {"user_id": OTHER, "arm": "holdout", "country": "SE"},
        {"history": [{"item_id": "p031", "signal": "stream"}], "k": 3},
        {"user_id": OTHER, "arm": "no such arm"},
    ]
    answer = client.post("/v1/recommend:batch", json={"requests": asked})
    assert answer.status_code == 200
    together = answer.json()["answers"]
    assert [one["status"] for one in together] == [200, 200, 400, 400, 400, 200, 200, 400]
    for request, one in zip(asked, together, strict=True):
        alone = client.post("/v1/recommend", json=request)
        assert alone.status_code == one["status"]
        told, own = (one["shelf"] or one["problem"]), alone.json()
        for mine in ("request_id", "instance"):
            told.pop(mine, None), own.pop(mine, None)
        if "items" in own:
            assert ranked(told) == ranked(own)
            told.pop("items"), own.pop("items")
        assert told == own
    for bad in ([], [asked[0]] * 65):
        refused = client.post("/v1/recommend:batch", json={"requests": bad})
        assert (refused.status_code, refused.json()["fields"][0]["field"]) == (400, "requests")


def test_each_event_of_a_body_stands_for_itself(client: TestClient) -> None:
    event = {
        "user_id": "u0062",
        "item_id": "a030",
        "item_type": "audiobook",
        "signal": "stream",
        "timestamp": LATER.isoformat(),
    }
    sent: list[Any] = [
        event,
        event | {"signal": "like"},
        event | {"timestamp": "1969-01-01T00:00:00Z"},
        {"user_id": "u0062"},
        event | {"item_id": "a031", "event_id": "one"},
        event | {"item_id": "p031"},
        "nothing",
        event | {"item_id": "new to the catalogue"},
    ]
    answer = client.post("/v1/events", json={"events": sent}).json()
    told = answer["events"]
    assert (answer["accepted"], answer["refused"]) == (3, 5)
    assert [one["position"] for one in told] == list(range(8))
    assert [one["status"] for one in told] == [200, 400, 400, 400, 200, 400, 400, 200]
    assert [one["known_item"] for one in told if one["problem"] is None] == [True, True, False]
    fields = [
        [each["field"] for each in one["problem"]["fields"]] for one in told if one["problem"]
    ]
    assert fields[:2] == [["signal"], ["timestamp"]]
    assert fields[3:] == [["item_type"], ["body"]]
    again = client.post("/v1/events", json={"events": [sent[0], sent[4] | {"signal": "follow"}]})
    assert [one["new"] for one in again.json()["events"]] == [False, False]
    alone = client.post("/v1/events", json=sent[1])
    assert (alone.status_code, alone.json()["fields"][0]["field"]) == (400, "signal")
    shelf_now = {item for item, _ in ranked(shelf(client, user_id="u0062"))}
    assert not {"a030", "a031"} & shelf_now


def test_a_body_of_events_that_no_store_took_is_no_200(bare: TestClient) -> None:
    event = {
        "user_id": "u",
        "item_id": "a030",
        "item_type": "audiobook",
        "signal": "stream",
        "timestamp": LATER.isoformat(),
    }
    answer = bare.post("/v1/events", json={"events": [event, {**event, "signal": "like"}]})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_stored")
    # What is wrong with every event is its sender's fault, however the store is.
    answer = bare.post("/v1/events", json={"events": [{**event, "signal": "like"}]})
    assert (answer.status_code, answer.json()["refused"]) == (200, 1)


@pytest.mark.parametrize("path", sorted(MOVED))
def test_a_path_of_before_leads_to_the_one_of_today(client: TestClient, path: str) -> None:
    method, new = MOVED[path]
    body = {"user_id": USER, "item_id": "a030"} if method == "POST" else None
    answer = client.request(method, path, json=body)
    assert answer.status_code == 308
    assert answer.headers["location"] == new.lstrip("/")
    assert answer.headers["deprecation"].startswith("@")
    assert answer.json()["code"] == "moved"
    followed = client.request(method, path, json=body, follow_redirects=True)
    assert (followed.request.url.path, followed.request.method) == (new, method)
    assert followed.status_code in (200, 400, 404)
    assert followed.content.startswith(b"{")


def test_answers_are_not_older_than_is_asked(tiny_history: Path, tmp_path: Path) -> None:
    index = ExactIndex(tmp_path / "out" / "index" / "exact")
    store = ReleaseStore(tmp_path / "out")
    names = []
    for seed in range(3):
        parts = make_parts(tmp_path / str(seed), tiny_history, CUT, seed=seed)
        names.append(store.publish(parts.payload(tmp_path / f"payload-{seed}"), index))
    first, second, never = names
    store.promote(first, index)
    settings = load_settings(
        None,
        (
            "index.backend=exact",
            "serving.follow_seconds=600",
            "experiment.control=live",
            f'experiment.arms={{"live":{{"share":0.5}},"new":{{"share":0.5,"shows":"{never}"}}}}',
        ),
    )
    runtime = Runtime.open(Environment(store.root, settings))
    app = build_app()
    app.state.runtime = runtime

    http = TestClient(app)

    def asked(least: str, arm: str = "live") -> tuple[int, str]:
        body = {"user_id": "u", "arm": arm, "min_release": least}
        answer = http.post("/v1/recommend", json=body)
        told = answer.json()
        assert ("retry-after" in answer.headers) == (answer.status_code == 503)
        return answer.status_code, told.get("code") or told["release_id"]

    with http:
        assert asked(first) == (200, first)
        assert asked(second) == (409, "unknown_release")
        assert asked("r" + "0" * 16) == (409, "unknown_release")
        store.promote(second, index)
        # The worker does not know yet.
        assert asked(second) == (503, "older_release")
        runtime._watcher.look()
        assert asked(second) == (200, second)
        assert asked(first) == (200, second)
        # An arm that shows another release never follows.
        assert asked(never, "new") == (200, never)
        assert asked(second, "new") == (409, "older_release")
        # Going back makes the older one the latest.
        store.rollback(index)
        assert asked(first) == (503, "older_release")
        runtime._watcher.look()
        assert asked(second) == (200, first)
    runtime.close()


def test_a_session_needs_no_feature_store(bare: TestClient) -> None:
    session = RecommendRequest.model_validate_json(
        b'{"user_id": "u0001", "history": [{"item_id": "p031", "signal": "stream"}]}'
    )
    answer = bare.post("/v1/recommend", content=session.model_dump_json(), headers=JSON).json()
    assert answer["how"]["vector"] == "two_tower"
    assert answer["how"]["fallbacks"] == ["features_error"]
    assert len(answer["items"]) == 10


JSON = {"content-type": "application/json"}


def test_a_worker_says_whether_it_is_ready(client: TestClient, runtime: Runtime) -> None:
    answer = client.get("/v1/health")
    assert answer.json() == {"ready": True, "release_id": release_of(runtime).release_id}
    runtime.ends = lambda: True
    try:
        ill = client.get("/v1/health")
    finally:
        runtime.ends = lambda: False
    assert (ill.status_code, ill.json()["code"]) == (503, "not_ready")
