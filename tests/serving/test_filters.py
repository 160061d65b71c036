"""A shelf holds what its filter allows, whichever stage made it; a bad one names its field."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from colisten.data.prepare import prepare_tables
from colisten.features.users import UserBatch
from colisten.index import ExactIndex
from colisten.release.store import ReleaseStore
from colisten.serving.app import build_app
from colisten.serving.environment import Environment
from colisten.serving.problems import Refused
from colisten.serving.requests import RecommendRequest, SimilarRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.release.payloads import Parts, make_parts

DECLARED = {
    "genres": "keywords",
    "who's / reading": "keyword",
    "minutes": "number",
    "published_at": "moment",
}
SETTINGS = load_settings(
    None,
    (
        "index.backend=exact",
        "serving.features_budget_ms=5000",
        "serving.search_budget_ms=5000",
        *(f"data.filterable.{name}={kind}" for name, kind in DECLARED.items()),
    ),
)
NARRATOR = "who's / reading"


@pytest.fixture(scope="module")
def parts(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """From tables with further columns, through the check and the cut."""
    folder = tmp_path_factory.mktemp("parts")
    shutil.copytree(tiny_source, folder / "tables")
    table = pq.read_table(folder / "tables" / "items.parquet")
    n = len(table)
    columns: dict[str, pa.Array] = {
        "genres": pa.array([["crime", f"g{at % 3}", "x" * 300][at % 2 :] for at in range(n)]),
        NARRATOR: pa.array([(None, "Ann", 'B "b"', " ", "x" * 300)[at % 5] for at in range(n)]),
        "minutes": pa.array([None if at % 4 == 0 else 10 * at for at in range(n)]),
        "published_at": pa.array(
            [CUT - timedelta(days=at + 1) for at in range(n)], pa.timestamp("us", tz="UTC")
        ),
    }
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns(name)
        table = table.append_column(name, values)
    pq.write_table(table, folder / "tables" / "items.parquet")
    prepare_tables(
        folder / "tables", folder / "prepared", cut=CUT, window_days=30, data=SETTINGS.data
    )
    return make_parts(folder / "made", folder / "prepared" / "history", CUT)


@pytest.fixture(scope="module")
def runtime(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    home = tmp_path_factory.mktemp("filtered")
    store, index = ReleaseStore(home), ExactIndex(home / "index" / "exact")
    store.promote(store.publish(parts.payload(home / "payload", settings=SETTINGS), index), index)
    opened = Runtime.open(Environment(home, SETTINGS))
    yield opened
    opened.close()


@pytest.fixture
def known(runtime: Runtime, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users are known, as if there were a feature store."""
    release = runtime._active().release
    user = UserBatch.from_table(parts.rows.slice(0, 1), release.index_of, release.spec.fields)
    monkeypatch.setattr(runtime._recommender, "read", lambda *_: user)


ROW = Callable[[dict[str, Any]], bool]
SINCE = CUT - timedelta(days=9)
FILTERS: list[tuple[dict[str, Any], ROW]] = [
    ({}, lambda row: True),
    ({"include": {"genres": ["crime"]}}, lambda row: "crime" in row["genres"]),
    ({"exclude": {"genres": ["crime", "no such"]}}, lambda row: "crime" not in row["genres"]),
    ({"include": {NARRATOR: ['B "b"', "no such"]}}, lambda row: row[NARRATOR] == 'B "b"'),
    (
        {"ranges": {"minutes": {"min": 100, "max": 200}}},
        lambda row: row["minutes"] is not None and 100 <= row["minutes"] <= 200,
    ),
    (
        {"ranges": {"published_at": {"min": SINCE.astimezone(UTC).isoformat()}}},
        lambda row: row["published_at"] >= SINCE,
    ),
    (
        {"include": {"language": ["de_AT"]}, "exclude": {"minutes": [50]}},
        lambda row: row["language"] == "de" and row["minutes"] != 50,
    ),
]


def allowed(parts: Parts, rule: ROW) -> set[str]:
    rows = parts.catalogue.table.slice(*_target(parts)).to_pylist()
    return {row["item_id"] for row in rows if rule(row)}


def _target(parts: Parts) -> tuple[int, int]:
    target = parts.catalogue.slice_of("audiobook")
    return target.start, target.stop - target.start


@pytest.mark.parametrize(("asked", "rule"), FILTERS)
def test_popular_items_and_similar_ones_pass_the_filter(
    runtime: Runtime, parts: Parts, asked: dict[str, Any], rule: ROW
) -> None:
    request = RecommendRequest.model_validate({"user_id": "nobody", "k": 100, "filter": asked})
    shelf = runtime.recommend(request)
    assert shelf.how.search == "popular"
    assert {item.item_id for item in shelf.items} == allowed(parts, rule)
    item = SimilarRequest.model_validate({"item_id": "p058", "k": 100, "filter": asked})
    assert {item.item_id for item in runtime.similar(item).items} <= allowed(parts, rule)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("asked", "rule"), FILTERS)
def test_nearest_items_pass_the_filter(
    runtime: Runtime,
    parts: Parts,
    asked: dict[str, Any],
    rule: ROW,
) -> None:
    request = RecommendRequest.model_validate({"user_id": "u", "k": 100, "filter": asked})
    shelf = runtime.recommend(request)
    assert (shelf.how.vector, shelf.how.search) == ("two_tower", "exact")
    assert shelf.how.fallbacks == []
    streamed = {
        item.item_id for item in runtime.recommend(RecommendRequest(user_id="u", k=100)).items
    }
    assert {item.item_id for item in shelf.items} == allowed(parts, rule) & streamed


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        (
            {"include": {"genre": ["crime"]}},
            "filter.include.genre",
            "nearest known one is 'genres'",
        ),
        ({"exclude": {"minutes": ["ten"]}}, "filter.exclude.minutes", "no number"),
        ({"ranges": {"genres": {"min": "a"}}}, "filter.ranges.genres", "no range"),
        ({"ranges": {"minutes": {}}}, "filter.ranges.minutes", "no end"),
        ({"ranges": {"minutes": {"min": 2, "max": 1}}}, "filter.ranges.minutes", "begins at 2"),
        ({"ranges": {"published_at": {"min": "soon"}}}, "filter.ranges.published_at", "soon"),
        ({"ranges": {"published_at": {"min": "2024-01-01"}}}, "filter.ranges.published_at", "zone"),
        ({"include": {"published_at": [3]}}, "filter.include.published_at", "no moment"),
        ({"include": {"language": ["xx-"]}}, "filter.include.language", "xx-"),
        ({"include": {"genres": [""]}}, "filter.include.genres", "empty"),
        ({"include": {"genres": ["x" * 257]}}, "filter.include.genres", "257 bytes"),
        ({"exclude": {"item_id": ["a001"]}}, "filter", "exclude"),
    ],
)
def test_a_bad_filter_names_its_field_and_what_is_known(
    runtime: Runtime, asked: dict[str, Any], field: str, says: str
) -> None:
    wanted = RecommendRequest.model_validate({"user_id": "u", "filter": asked})
    like = SimilarRequest.model_validate({"item_id": "p058", "filter": asked})
    for ask in (lambda: runtime.recommend(wanted), lambda: runtime.similar(like)):
        with pytest.raises(Refused) as caught:
            ask()
        assert caught.value.status == 400
        [error] = caught.value.fault.fields
        assert error.field == field
        assert says in error.message


def test_a_language_is_asked_once(runtime: Runtime) -> None:
    body = {"user_id": "u", "language": "en", "filter": {"include": {"language": ["de"]}}}
    with pytest.raises(Refused, match="leave one out"):
        runtime.recommend(RecommendRequest.model_validate(body))


def test_a_filter_that_nothing_passes_says_why_the_shelf_is_empty(runtime: Runtime) -> None:
    far = datetime(2090, 1, 1, tzinfo=UTC).isoformat()
    for asked in (
        {"include": {NARRATOR: ["Nobody"]}},
        {"ranges": {"published_at": {"min": far}}},
        {"include": {"language": ["de"], NARRATOR: ["Nobody"]}},
    ):
        body = {"user_id": "u", "filter": asked}
        shelf = runtime.recommend(RecommendRequest.model_validate(body))
        assert shelf.items == []
        assert shelf.how.fallbacks[0] == "filter_matches_nothing"


def test_the_schema_names_what_the_release_knows(runtime: Runtime) -> None:
    app = build_app()
    with TestClient(app) as client:
        before = client.get("/docs.json").json()["components"]["schemas"]
        assert before["FilterRequest"]["properties"]["include"]["additionalProperties"]
        app.state.runtime = runtime
        schemas = client.get("/docs.json").json()["components"]["schemas"]
    assert schemas["EventRequest"]["properties"]["item_type"]["enum"] == ["audiobook", "podcast"]
    assert "stream" in schemas["EventRequest"]["properties"]["signal"]["enum"]
    asked = schemas["FilterRequest"]["properties"]
    assert set(asked["include"]["properties"]) == set(asked["exclude"]["properties"])
    assert set(asked["include"]["properties"]) == {"language", *DECLARED}
    assert set(asked["ranges"]["properties"]) == {"minutes", "published_at"}


@pytest.mark.usefixtures("known")
def test_a_signal_without_a_phrase_explains_neutrally(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = RecommendRequest(user_id="u", k=100)
    spoken = {str(item.why) for item in runtime.recommend(asked).items}
    assert any(why.startswith("because you listened to ") for why in spoken)
    monkeypatch.setattr(runtime._recommender, "_reasons", {"purchase": "you bought"})
    neutral = {item.why for item in runtime.recommend(asked).items}
    assert all(why is None or why.startswith("because of ") for why in neutral)
