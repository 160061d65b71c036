"""What a shelf is worth is one word, and every shelf has one."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from starlette.testclient import TestClient

from colisten.data import contract
from colisten.serving.answers import How, SearchSource, Shelf, ShelfItem, VectorSource
from colisten.serving.app import build_app
from colisten.serving.quality import QUALITIES, Quality, quality_of
from colisten.serving.requests import RecommendBatch, RecommendRequest
from colisten.serving.runtime import Runtime

ITEM = ShelfItem(item_id="a0", title="A", rank=1, score=None, inner_product=None, why=None)


def shelf(vector: VectorSource, search: SearchSource, *fallbacks: str, items: int = 1) -> Shelf:
    how = How(vector=vector, search=search, fallbacks=list(fallbacks))
    titles = [ITEM] * items
    return Shelf(request_id="1", arm=None, release_id="r", user_id="u", how=how, items=titles)


def counted(quality: Quality) -> float:
    return REGISTRY.get_sample_value("colisten_shelf_quality_total", {"quality": quality}) or 0.0


@pytest.mark.parametrize(
    ("one", "planned", "quality"),
    [
        (shelf("two_tower", "exact"), False, "personal"),
        # Another stage answers, and answers this user all the same.
        (shelf("two_tower", "exact", "index_timeout"), False, "personal"),
        (shelf("popular", "popular", "user_unknown"), False, "unknown"),
        (shelf("popular_country", "popular", "features_timeout"), False, "popular"),
        (shelf("popular", "popular", "tower_error"), False, "popular"),
        (shelf("popular", "popular"), True, "planned"),
        (shelf("popular", "popular", "nothing_left", items=0), True, "empty"),
        (shelf("two_tower", "exact", "filter_matches_nothing", items=0), False, "empty"),
    ],
)
def test_a_shelf_is_worth(one: Shelf, planned: bool, quality: Quality) -> None:
    assert quality_of(one, planned=planned) == quality


def test_what_is_written_down_is_what_the_contract_knows() -> None:
    assert QUALITIES == contract.QUALITIES


def test_an_outage_on_popular_titles_is_no_health(runtime: Runtime) -> None:
    """This folder has no feature store, so everybody gets what is popular."""
    before = {one: counted(one) for one in QUALITIES}
    request = RecommendRequest(user_id="u0001", k=3)
    assert runtime.recommend(request).how.fallbacks == ["features_error"]
    runtime.recommend_batch(RecommendBatch.model_validate({"requests": [{"user_id": "u2"}] * 2}))
    after = {one: counted(one) - before[one] for one in QUALITIES}
    assert after == {**dict.fromkeys(QUALITIES, 0.0), "popular": 3.0}


def test_reasons_are_counted_of_every_shelf_of_a_batch(runtime: Runtime) -> None:
    def reasons() -> float:
        named = {"reason": "language_not_offered"}
        return REGISTRY.get_sample_value("colisten_fallbacks_total", named) or 0.0

    app = build_app()
    app.state.runtime = runtime
    client, before = TestClient(app), reasons()
    asked = [{"user_id": "u1", "language": "fi"}, {"user_id": "u2", "language": "fi"}]
    answer = client.post("/v1/recommend:batch", json={"requests": asked})
    assert [one["shelf"]["items"] for one in answer.json()["answers"]] == [[], []]
    client.post("/v1/recommend", json=asked[0])
    assert reasons() - before == 3
