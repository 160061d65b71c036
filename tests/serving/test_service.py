"""The service as users meet it: `colisten serve`, Feast on SQLite, Milvus Lite, over HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.compute as pc
import pytest
from safetensors.torch import load_file

from colisten.data.catalogue import Catalogue
from colisten.data.interactions import read_interactions
from colisten.features.store import open_store, user_rows
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.index.lite_server import endpoint_of
from colisten.models.export import read_specs
from colisten.models.knn_term import KnnTermLayout
from colisten.models.towers import TwoTowers, user_vectors
from colisten.release.journal import Journal
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving.endpoints import ENDPOINTS
from colisten.serving.policy import POLICY
from colisten.serving.requests import EventRequest, RecommendRequest, Request, SimilarRequest
from colisten.settings.tree import load_settings
from colisten.training.towers.input_statistics import warm_column
from tests.browser import browser
from tests.conftest import CUT
from tests.feature_folders import live_features, online_db
from tests.serving.conftest import Home, Service, start, stop
from tests.serving.home import QUICK
from tests.serving.test_schemas import BAD_BODIES, UNKNOWN_WORDS

pytestmark = pytest.mark.slow

PATHS: dict[type[Request], str] = {
    RecommendRequest: "/v1/recommend",
    SimilarRequest: "/v1/similar",
    EventRequest: "/v1/events",
}


def shelf(service: Service, user_id: str, **body: object) -> dict[str, Any]:
    answer = service.post("/v1/recommend", user_id=user_id, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def soon(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def streamed(history: Path, user_id: str) -> set[str]:
    events = read_interactions(history, as_of=CUT)
    own = events.filter(
        pc.and_(pc.equal(events["user_id"], user_id), pc.equal(events["signal"], "stream"))
    )
    return set(own.column("item_id").to_pylist())


def test_a_known_user_gets_new_items_with_reasons(service: Service, tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    title = dict(zip(catalogue.item_ids, catalogue.titles, strict=True))
    # A service of other tests may have ended, and with it the index server that both asked.
    assert soon(lambda: shelf(service, "u0001")["how"]["search"] == "milvus", 60)
    answer = shelf(service, "u0001", k=20)
    assert answer["release_id"] == service.home.ids[0]
    how = {"vector": "two_tower", "search": "milvus", "fallbacks": [], "unknown": []}
    assert answer["how"] == how
    had = streamed(tiny_history, "u0001")
    assert had
    assert not had & set(ids(answer))
    assert [item["rank"] for item in answer["items"]] == list(range(1, 21))
    scores = [item["inner_product"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    for item in answer["items"]:
        assert item["title"] == title[item["item_id"]]
        assert item["item_id"].startswith("a")
    reasons = {item["why"] for item in answer["items"]}
    assert reasons & {f"because you listened to {title[one]}" for one in had}


def test_the_answer_is_exact_search_over_the_release(service: Service) -> None:
    answer = shelf(service, "u0003", k=5)
    vector = service.post("/v1/user_vector", user_id="u0003").json()["vector"]
    folder = service.home.folder / "releases" / answer["release_id"]
    release = LoadedRelease.load(folder)
    rows = release.index_of(ids(answer)) - release.target.start
    expected = release.item_vectors[rows] @ np.array(vector, np.float32)
    np.testing.assert_allclose(
        [item["inner_product"] for item in answer["items"]], expected, atol=1e-5
    )


def test_language_and_exclusions_hold(service: Service, tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    german = set(catalogue.item_ids[catalogue.languages == "de"])
    first = shelf(service, "u0002", k=5, language="de")
    assert ids(first)
    assert set(ids(first)) <= german
    gone = ids(first)[:2]
    second = shelf(service, "u0002", k=5, language="de", exclude=[*gone, "no such item"])
    assert not set(gone) & set(ids(second))
    assert ids(second)[: len(ids(first)) - 2] == ids(first)[2:]


def test_an_unknown_user_gets_what_is_popular(service: Service) -> None:
    answer = shelf(service, "never seen", k=3)
    assert answer["how"] == {
        "vector": "popular",
        "search": "popular",
        "fallbacks": ["user_unknown"],
        "unknown": [],
    }
    assert len(ids(answer)) == 3
    release = LoadedRelease.load(service.home.folder / "releases" / answer["release_id"])
    assert ids(answer) == release.item_ids[release.popular()[:3]].tolist()

    local = shelf(service, "never seen", k=3, country="DE", exclude=[ids(answer)[0]])
    assert local["how"]["vector"] == "popular_country"
    assert {item["why"] for item in local["items"]} == {"popular in DE"}
    assert ids(answer)[0] not in ids(local)


def test_a_pushed_event_changes_the_next_answer(service: Service) -> None:
    user = "u0011"
    before = shelf(service, user)
    top = ids(before)[0]
    event = {
        "user_id": user,
        "item_id": top,
        "item_type": "audiobook",
        "signal": "stream",
        "timestamp": datetime.now(UTC).isoformat(),
    }
    assert service.post("/v1/events", **event).json() == {
        "accepted": True,
        "new": True,
        "known_item": True,
    }
    after = shelf(service, user)
    assert top not in ids(after)
    assert after["items"][0]["inner_product"] != before["items"][0]["inner_product"]
    assert service.post("/v1/events", **event).json()["new"] is False


def test_a_new_user_is_known_from_the_first_event(service: Service) -> None:
    event = {"item_id": "p004", "item_type": "podcast", "signal": "stream"}
    moment = datetime.now(UTC).isoformat()
    assert service.post("/v1/events", user_id="fresh", timestamp=moment, **event).status_code == 200
    assert shelf(service, "fresh")["how"]["vector"] == "two_tower"


def test_an_event_from_the_command_line_is_seen_by_the_service(service: Service) -> None:
    user = "u0012"
    top = ids(shelf(service, user))[0]
    command = [sys.executable, "-m", "colisten", "events", "push", "--out"]
    command += [str(service.home.folder), "--user", user, "--item", top, "--type", "audiobook"]
    subprocess.run(command, check=True, capture_output=True)
    assert top not in ids(shelf(service, user))
    refused = subprocess.run([*command, "--signal", "like"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "signal" in refused.stderr


def test_an_event_that_contradicts_the_catalogue_is_refused(service: Service) -> None:
    answer = service.post(
        "/v1/events",
        user_id="u0001",
        item_id="p001",
        item_type="audiobook",
        signal="stream",
        timestamp="2025-07-01T00:00:00Z",
    )
    assert answer.status_code == 400
    assert answer.json()["fields"][0]["field"] == "item_type"


@pytest.mark.parametrize(("model", "body", "field"), BAD_BODIES + UNKNOWN_WORDS)
def test_bad_bodies_are_refused_over_http(
    service: Service, model: type[Request], body: bytes, field: str
) -> None:
    for kind, status in (
        ("application/json", 400),
        ("text/plain", 415),
        ("application/vnd.bentoml+pickle", 415),
    ):
        answer = httpx.post(
            service.url + PATHS[model], content=body, headers={"content-type": kind}, timeout=30
        )
        assert answer.status_code == status
        fields = [one["field"] for one in answer.json()["fields"]]
        assert field in fields if status == 400 else not fields


def test_other_bad_requests_are_refused(service: Service) -> None:
    big = httpx.post(
        f"{service.url}/v1/recommend",
        content=b" " * 1_100_000,
        headers={"content-type": "application/json"},
        timeout=30,
    )
    assert (big.status_code, big.json()["code"]) == (413, "too_large")
    wrong = service.get("/v1/recommend")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert service.get("/no such path").status_code == 404
    unknown = service.post("/v1/similar", item_id="no such item")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_item")
    assert "no such item" in unknown.json()["detail"]


@pytest.mark.parametrize("item", ["p003", "a005"])
def test_similar_items_share_the_taste(service: Service, item: str) -> None:
    answer = service.post("/v1/similar", item_id=item, k=8).json()
    assert answer["how"]["vector"] == "item"
    assert item not in ids(answer)
    # The number's parity is the planted taste, which text and listeners both carry.
    same = [one for one in ids(answer) if int(one[1:]) % 2 == int(item[1:]) % 2]
    assert len(same) >= 7


def test_served_vectors_are_the_training_vectors(service: Service, tiny_history: Path) -> None:
    """Offline rows and the torch tower on one side, the whole service on the other."""
    users = [f"u{number:04d}" for number in range(40, 60)]
    release = LoadedRelease.load(service.home.folder / "releases" / service.home.ids[0])
    spec = release.spec
    rows = user_rows(open_store(live_features(service.home.folder)), users, CUT)
    catalogue = Catalogue.read(tiny_history)
    batch = UserBatch.from_table(rows, catalogue.index_of, spec.fields)
    features = encode_users(spec, batch, release.history_vectors)
    weights = load_file(release.folder / "towers.safetensors")
    item_width = weights["item.members.0.skip.weight"].shape[1]
    heard = json.loads((release.folder / "spec.json").read_text())["knn_blocks"]
    knn_term = KnnTermLayout.of(*read_specs(release.folder)).of_blocks(heard)
    warm = warm_column(spec)
    towers = TwoTowers(spec.width, item_width, load_settings(None, QUICK).towers, knn_term, warm)
    towers.load_state_dict(weights)
    trained = user_vectors(towers.eval(), features)
    served = []
    for user in users:
        answer = service.post("/v1/user_vector", user_id=user).json()
        assert answer["release_id"] == release.release_id
        served.append(answer["vector"])
    np.testing.assert_allclose(np.array(served), trained, atol=1e-5)
    assert np.abs(trained - trained[0]).max() > 1e-2


def test_documents_and_counters(service: Service) -> None:
    shelf(service, "u0001")
    shelf(service, "nobody at all")
    metrics = service.get("/metrics").text
    release = service.home.ids[0]
    assert 'colisten_requests_total{endpoint="/v1/recommend",search="milvus"' in metrics
    assert 'colisten_fallbacks_total{reason="user_unknown"}' in metrics
    assert f'colisten_release_workers{{release_id="{release}"}} 1.0' in metrics
    assert 'colisten_request_seconds_bucket{endpoint="/v1/recommend",le="0.05"}' in metrics
    assert service.get("/livez").status_code == 200
    assert service.get("/v1/release").json()["release_id"] == release
    schema = service.get("/docs.json").json()
    assert set(schema["paths"]) == {endpoint.path for endpoint in ENDPOINTS}
    assert schema["components"]["schemas"]["RecommendRequest"]["additionalProperties"] is False


def test_the_documentation_shows_the_schema_and_loads_nothing_from_elsewhere(
    service: Service, tmp_path: Path
) -> None:
    answer = service.get("/docs")
    assert answer.headers["content-security-policy"] == POLICY
    with browser(tmp_path / "profile") as opened:
        visit = opened.visit(f"{service.url}/docs", touch=False)
    # Swagger writes a path in pieces, so that a narrow window can break it.
    shown = "".join(re.findall(r"[\w/:]+", visit.text))
    assert "/v1/recommend" in shown, visit.text
    assert {url for url in visit.requests if not url.startswith(service.url)} == set()
    for path in ("/v1/release", "/docs.json"):
        assert service.get(path).headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" not in service.get(path).headers


def test_a_dead_index_is_replaced_by_exact_search_until_it_is_back(service: Service) -> None:
    expected = shelf(service, "u0021")
    assert expected["how"]["search"] == "milvus"
    endpoint = json.loads(endpoint_of(service.home.folder).read_text())
    os.kill(endpoint["pid"], signal.SIGKILL)
    searches: list[str] = []
    end = time.monotonic() + 120
    while "milvus" not in searches[1:] and time.monotonic() < end:
        answer = shelf(service, "u0021")
        searches.append(answer["how"]["search"])
        assert answer["how"]["vector"] == "two_tower"
        if searches[-1] == "exact":
            assert answer["how"]["fallbacks"][0].startswith("index_")
        assert ids(answer) == ids(expected)
        np.testing.assert_allclose(
            [item["inner_product"] for item in answer["items"]],
            [item["inner_product"] for item in expected["items"]],
            atol=1e-5,
        )
        time.sleep(0.05)
    # It is started again by the service itself.
    assert searches[0] == "exact"
    assert searches[-1] == "milvus"


def test_a_broken_feature_store_is_replaced_by_popular_items_until_it_is_back(
    service: Service,
) -> None:
    store = online_db(live_features(service.home.folder))
    kept = store.with_suffix(".kept")
    shutil.copy(store, kept)
    broken = store.with_suffix(".broken")
    broken.write_bytes(b"this is no database" * 1000)
    os.replace(broken, store)
    try:
        assert soon(lambda: shelf(service, "u0021")["how"]["vector"] == "popular")
        answer = shelf(service, "u0021", country="SE")
        assert answer["how"]["vector"] == "popular_country"
        assert answer["how"]["fallbacks"][0].startswith("features_")
        event = {"item_id": "a001", "item_type": "audiobook", "signal": "stream"}
        lost = service.post("/v1/events", user_id="u1", timestamp="2025-07-01T00:00:00Z", **event)
        assert (lost.status_code, lost.json()["code"]) == (503, "not_stored")
    finally:
        os.replace(kept, store)
    assert soon(lambda: shelf(service, "u0021")["how"]["vector"] == "two_tower")


def test_a_release_that_is_corrupt_is_not_taken_up(service: Service) -> None:
    store = ReleaseStore(service.home.folder)
    live, other = service.home.ids
    vectors = store.folder(other) / "item_vectors.npy"
    kept = vectors.read_bytes()
    pointer = store.releases / "LIVE"
    before, journal = pointer.read_text(), store.releases / "journal.jsonl"
    said = journal.read_bytes()
    try:
        Journal(journal).append("promoted", other, previous=live)
        vectors.write_bytes(kept[:-4] + np.float32(1.0).tobytes())
        assert vectors.read_bytes() != kept
        aside = pointer.with_name("aside")
        aside.write_text(json.dumps({"release_id": other, "previous": live}))
        os.replace(aside, pointer)
        refused = 'colisten_release_changes_total{outcome="refused"}'
        assert soon(lambda: refused in service.get("/metrics").text)
        assert shelf(service, "u0001")["release_id"] == live
        release = service.get("/v1/release").json()
        assert (release["live"], release["release_id"]) == (other, live)
        assert release["parts"]["release"]["reason"] == "release_refused"
        assert "item_vectors.npy differs" in release["parts"]["release"]["why"]
        assert release["parts"]["files"]["ok"]
    finally:
        # In this order: a release that is whole again and live would be taken up.
        aside.write_text(before)
        os.replace(aside, pointer)
        journal.write_bytes(said)
        assert soon(lambda: service.get("/v1/release").json()["live"] == live)
        vectors.write_bytes(kept)
    assert shelf(service, "u0001")["release_id"] == live


def test_it_ends_with_all_that_it_started(home: Home, tmp_path: Path) -> None:
    other = Home(home.folder, home.ids)
    service = start(other, tmp_path / "log")
    assert service.post("/v1/user_vector", user_id="u0001").status_code == 404
    children = [int(pid) for pid in _children(service.process.pid)]
    assert len(children) >= 1
    assert stop(service) == 0
    assert soon(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()])


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
