"""One worker's answers without HTTP and without a feature store: the later fallbacks, and flips."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from colisten.index import ExactIndex
from colisten.release.private_copy import PrivateCopies
from colisten.release.store import ReleaseStore
from colisten.serving.app import build_app
from colisten.serving.environment import Environment
from colisten.serving.pace import SHARE, Unhurried
from colisten.serving.problems import Refused
from colisten.serving.requests import EventRequest, RecommendRequest, SimilarRequest, VectorRequest
from colisten.serving.runtime import Runtime
from tests.serving.conftest import BARE, Home


def soon(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def test_without_a_feature_store_popular_items_answer(runtime: Runtime) -> None:
    for at, reason in enumerate(["features_error"] * 3 + ["features_resting"] * 2):
        answer = runtime.recommend(RecommendRequest(user_id=f"u{at}", k=4))
        assert answer.how.fallbacks == [reason]
        assert (answer.how.vector, answer.how.search) == ("popular", "popular")
        assert len(answer.items) == 4


def test_popular_items_keep_to_language_country_and_exclusions(runtime: Runtime) -> None:
    everywhere = runtime.recommend(RecommendRequest(user_id="u", k=100))
    assert len(everywhere.items) == 40
    assert len({item.item_id for item in everywhere.items}) == 40
    gone = [item.item_id for item in everywhere.items[:3]]
    request = RecommendRequest(user_id="u", k=100, country="SE", language="de", exclude=gone)
    local = runtime.recommend(request)
    assert local.how.vector == "popular_country"
    german = {f"a{number:03d}" for number in range(0, 40, 5)}
    assert {item.item_id for item in local.items} == german - set(gone)
    reasons = [item.why for item in local.items]
    assert reasons[0] == "popular in SE"
    assert reasons == sorted(reasons, key=lambda why: why == "popular")
    written = RecommendRequest(user_id="u", k=100, country="swe", language="de_AT", exclude=gone)
    assert runtime.recommend(written).items == local.items
    nowhere = runtime.recommend(RecommendRequest(user_id="u", country="Atlantis"))
    assert nowhere.how.vector == "popular"


def test_a_language_without_items_says_why_the_shelf_is_empty(runtime: Runtime) -> None:
    shelf = runtime.recommend(RecommendRequest(user_id="u", language="fr"))
    assert shelf.items == []
    assert shelf.how.fallbacks[0] == "language_not_offered"
    near = runtime.similar(SimilarRequest(item_id="p058", language="fr-CA"))
    assert near.items == []
    assert near.how.fallbacks == ["language_not_offered"]
    assert runtime.similar(SimilarRequest(item_id="p058", language="DE")).how.fallbacks == []


def test_an_item_without_a_vector_is_similar_to_what_is_popular(runtime: Runtime) -> None:
    answer = runtime.similar(SimilarRequest(item_id="p059", k=3))
    assert answer.how.fallbacks == ["item_without_vector"]
    assert [item.inner_product for item in answer.items] == [None] * 3
    known = runtime.similar(SimilarRequest(item_id="p058", k=100))
    assert known.how.fallbacks == []
    scores = [item.inner_product for item in known.items if item.inner_product is not None]
    assert len(scores) == 40
    assert scores == sorted(scores, reverse=True)
    assert max(scores) <= 1 + 1e-5


def test_an_event_that_cannot_be_stored_is_not_accepted(runtime: Runtime) -> None:
    event = EventRequest(
        user_id="u",
        item_id="a001",
        item_type="audiobook",
        signal="stream",
        timestamp=datetime(2025, 7, 1, tzinfo=UTC),
    )
    with pytest.raises(Refused, match="send it again") as caught:
        runtime.push(event)
    assert caught.value.status == 503


def test_vectors_are_not_shown_unasked(runtime: Runtime) -> None:
    with pytest.raises(Refused, match="debug_vectors") as caught:
        runtime.vector(VectorRequest(user_id="u"))
    assert caught.value.status == 404


def test_it_follows_the_pointer_there_and_back(
    runtime: Runtime, published: tuple[ReleaseStore, ExactIndex, list[str]]
) -> None:
    store, index, (first, second) = published
    request = SimilarRequest(item_id="p003")
    before = runtime.similar(request)
    assert before.release_id == first
    store.promote(second, index)
    assert soon(lambda: runtime.info().release_id == second)
    after = runtime.similar(request)
    assert after.release_id == second
    assert after.items != before.items
    store.rollback(index)
    assert soon(lambda: runtime.info().release_id == first)
    assert runtime.similar(request) == before


def test_workers_take_a_release_up_one_after_the_other(
    runtime: Runtime, published: tuple[ReleaseStore, ExactIndex, list[str]]
) -> None:
    store, index, (first, second) = published

    def serves(release_id: str) -> bool:
        return runtime.live is not None and runtime.live.release_id == release_id

    with PrivateCopies.of_user().turn():  # another worker has it
        store.promote(second, index)
        time.sleep(0.5)
        assert serves(first)
        # A worker that has nothing to answer from yet waits for nobody.
        other = Runtime.open(Environment(store.root, BARE))
        assert other.live is not None
        other.close()
    assert soon(lambda: serves(second))


@pytest.mark.undisturbed
def test_who_works_without_haste_rests_in_proportion() -> None:
    rest = Unhurried()
    worked = time.thread_time() + 0.05
    while time.thread_time() < worked:
        pass
    started = time.monotonic()
    rest()
    assert time.monotonic() - started >= 0.05 * (1 - SHARE) / SHARE
    started = time.monotonic()
    rest()
    assert time.monotonic() - started < 0.05, "the rest was no work"


def test_before_the_first_release_it_is_not_ready_and_says_so(tmp_path: Path) -> None:
    runtime = Runtime.open(Environment(tmp_path, BARE))
    app = build_app()
    app.state.runtime = runtime
    assert not runtime.ready
    with TestClient(app) as client:
        answer = client.post("/v1/recommend", json={"user_id": "u"})
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert client.get("/v1/release").status_code == 503
        assert client.post("/v1/recommend", json={"user_id": 1}).status_code == 400
    runtime.close()


@pytest.mark.slow
def test_answering_loads_no_training_code(home: Home) -> None:
    code = (
        "import sys; from pathlib import Path; import colisten.serving.worker\n"
        "from colisten.settings.tree import load_settings\n"
        "from colisten.serving.environment import Environment\n"
        "from colisten.serving.requests import RecommendRequest\n"
        "from colisten.serving.runtime import Runtime\n"
        "settings = load_settings(None, ('serving.features_budget_ms=5000',))\n"
        "runtime = Runtime.open(Environment(Path(sys.argv[1]), settings))\n"
        "print(runtime.recommend(RecommendRequest(user_id='u0001')).how.vector)\n"
        "bad = {'torch', 'torch_geometric', 'kfp', 'evidently', 'kubernetes', 'onnx',"
        " 'sentence_transformers', 'colisten.training', 'colisten.sampling', 'colisten.graph'}\n"
        "print(sorted(bad & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(home.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-2:] == ["two_tower", "[]"]
