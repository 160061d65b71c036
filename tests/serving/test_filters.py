"""A shelf holds what its filter allows, whichever stage made it; a bad one names its field."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from colisten.data.prepare import prepare_tables
from colisten.features.users import UserBatch
from colisten.index import ExactIndex, open_index
from colisten.index.lite_server import LiteServer
from colisten.release.picks import seen_items
from colisten.release.store import ReleaseStore
from colisten.serving.answers import How
from colisten.serving.app import build_app
from colisten.serving.environment import Environment
from colisten.serving.explanation import Phrases
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
OVERRIDES = (
    "index.backend=exact",
    "serving.features_budget_ms=5000",
    "serving.search_budget_ms=5000",
    *(f"data.filterable.{name}={kind}" for name, kind in DECLARED.items()),
)
SETTINGS = load_settings(None, OVERRIDES)
NARRATOR = "who's / reading"
# Words of the catalogue that an index which puts them into its own language would obey.
HOSTILE = (
    '") or item_id != ("',
    "' or 1 == 1 --",
    "\\",
    '\\"',
    "%",
    "{x}",
    "a\nb",
    'array_contains(genres, "crime")',
)


@pytest.fixture(scope="module")
def parts(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """From tables with further columns, through the check and the cut."""
    folder = tmp_path_factory.mktemp("parts")
    shutil.copytree(tiny_source, folder / "tables")
    table = pq.read_table(folder / "tables" / "items.parquet")
    n = len(table)
    columns: dict[str, pa.Array] = {
        "genres": pa.array(
            [
                [*["crime", f"g{at % 3}", "x" * 300][at % 2 :], HOSTILE[at % len(HOSTILE)]]
                for at in range(n)
            ]
        ),
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
    monkeypatch.setattr(
        runtime._recommender, "_phrases", Phrases({"purchase": "you bought"}, "heard")
    )
    neutral = {item.why for item in runtime.recommend(asked).items}
    assert all(why is None or why.startswith("because of ") for why in neutral)


WORDS = st.one_of(st.sampled_from([*HOSTILE, "crime", "g0", "g1", "no such"]), st.text(min_size=1))
TELLERS = st.one_of(st.sampled_from(["Ann", 'B "b"', "x" * 256, *HOSTILE]), st.text(min_size=1))
MINUTES = st.one_of(st.sampled_from([10, 100, 250.0, -1, 1e300]), st.integers(0, 1000))
MOMENTS = st.integers(0, 120).map(lambda days: (CUT - timedelta(days=days)).isoformat())
VALUES = {
    "genres": WORDS,
    NARRATOR: TELLERS,
    "language": st.sampled_from(["en", "de", "sv", "de-AT"]),
    "minutes": MINUTES,
}


def _some(columns: Sequence[str]) -> st.SearchStrategy[dict[str, list[Any]]]:
    chosen = {name: st.lists(VALUES[name], min_size=1, max_size=3) for name in columns}
    return st.fixed_dictionaries({}, optional=chosen)


def _ends(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    pairs = st.tuples(values, values).map(sorted)
    both = pairs.map(lambda pair: {"min": pair[0], "max": pair[1]})
    return both | values.map(lambda one: {"min": one}) | values.map(lambda one: {"max": one})


ASKED = st.fixed_dictionaries(
    {
        "include": _some(["genres", NARRATOR, "language"]),
        "exclude": _some(["genres", NARRATOR, "minutes"]),
        "ranges": st.fixed_dictionaries(
            {}, optional={"minutes": _ends(MINUTES), "published_at": _ends(MOMENTS)}
        ),
    }
)
MANY = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def passes(row: dict[str, Any], asked: dict[str, Any]) -> bool:
    """The rule once more, from the words of the page alone."""

    def has(column: str, values: list[Any]) -> bool:
        held = row[column] if isinstance(row[column], list) else [row[column]]
        wanted = [one.partition("-")[0] for one in values] if column == "language" else values
        return any(one is not None and one in wanted for one in held)

    def within(column: str, ends: dict[str, Any]) -> bool:
        value = row[column]
        if value is None:
            return False
        low, high = (
            datetime.fromisoformat(end) if isinstance(end, str) else end
            for end in (ends.get("min"), ends.get("max"))
        )
        return (low is None or low <= value) and (high is None or value <= high)

    return (
        all(has(*one) for one in asked["include"].items())
        and not any(has(*one) for one in asked["exclude"].items())
        and all(within(*one) for one in asked["ranges"].items())
    )


def fits(asked: dict[str, Any]) -> bool:
    """Whether its words are short enough to be asked; others are refused, which others test."""
    words = [
        one
        for part in ("include", "exclude")
        for column, values in asked[part].items()
        for one in values
        if column in ("genres", NARRATOR)
    ]
    return all(0 < len(one.encode(errors="replace")) <= 256 for one in words)


def same_as_brute_force(runtime: Runtime, parts: Parts, asked: dict[str, Any], k: int) -> How:
    """A shelf holds the best of all that passes and was not had, and as many as there are."""
    release = runtime._active().release
    user = runtime._recommender.read(runtime._active(), "u")
    had = set(seen_items(release, None, user))
    start, count = _target(parts)
    rows = parts.catalogue.table.slice(start, count).to_pylist()
    open_rows = [
        at for at, row in enumerate(rows) if passes(row, asked) and row["item_id"] not in had
    ]
    scores = release.item_vectors[open_rows] @ release.user_vectors(user)[0]
    body = {"user_id": "u", "k": k, "filter": asked}
    shelf = runtime.recommend(RecommendRequest.model_validate(body))
    assert {item.item_id for item in shelf.items} <= {rows[at]["item_id"] for at in open_rows}
    assert len({item.item_id for item in shelf.items}) == len(shelf.items)
    expected = np.sort(scores)[::-1][:k]
    found = np.array([item.inner_product for item in shelf.items], np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    return shelf.how


@pytest.mark.usefixtures("known")
@settings(MANY, max_examples=120)
@given(asked=ASKED.filter(fits), k=st.integers(1, 500))
def test_any_filter_gives_what_brute_force_gives(
    runtime: Runtime, parts: Parts, asked: dict[str, Any], k: int
) -> None:
    how = same_as_brute_force(runtime, parts, asked, k)
    assert (how.vector, how.search) == ("two_tower", "exact")


@settings(MANY, max_examples=40)
@given(asked=ASKED.filter(fits), k=st.integers(1, 500))
def test_popular_shelves_are_full_whenever_enough_is_allowed(
    runtime: Runtime, parts: Parts, asked: dict[str, Any], k: int
) -> None:
    body = {"user_id": "nobody", "k": k, "filter": asked}
    shelf = runtime.recommend(RecommendRequest.model_validate(body))
    open_ids = allowed(parts, lambda row: passes(row, asked))
    assert shelf.how.search == "popular"
    assert len(shelf.items) == min(k, len(open_ids))
    assert {item.item_id for item in shelf.items} <= open_ids


@pytest.mark.slow
def test_no_word_of_a_filter_reaches_milvus_as_its_language(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    chosen = load_settings(None, (*OVERRIDES[1:], "index.backend=milvus"))
    with LiteServer(home):
        with open_index(home, chosen.index) as index:
            store = ReleaseStore(home)
            store.promote(
                store.publish(parts.payload(tmp_path / "payload", settings=chosen), index), index
            )
        runtime = Runtime.open(Environment(home, chosen))
        release = runtime._active().release
        user = UserBatch.from_table(parts.rows.slice(0, 1), release.index_of, release.spec.fields)
        monkeypatch.setattr(runtime._recommender, "read", lambda *_: user)
        searches: Counter[tuple[str, tuple[str, ...]]] = Counter()

        @settings(MANY, max_examples=25)
        @given(asked=ASKED.filter(fits), k=st.integers(1, 500))
        def ask(asked: dict[str, Any], k: int) -> None:
            how = same_as_brute_force(runtime, parts, asked, k)
            searches[how.search, tuple(how.fallbacks)] += 1

        ask()
        runtime.close()
    # What nothing passes needs no index; everything else was found by it, and no rung was left.
    reasons = {one for _, fallbacks in searches for one in fallbacks}
    assert reasons <= {"filter_matches_nothing", "language_not_offered", "nothing_left"}
    assert searches["milvus", ()] > 2
