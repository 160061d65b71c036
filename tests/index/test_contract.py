"""What every vector index promises, asked of exact search, Milvus Lite and a Milvus server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.errors import FilterRefused, VectorIndexError
from colisten.index import ExactIndex, VectorIndex
from colisten.index.filter import ARROW_TYPES, Filter
from colisten.settings.data import FilterKind
from tests.index.conftest import unit

N, D = 300, 16
SHARED = "shared_items"
HOSTILE = [
    'say "hi"',
    "it's",
    "back\\slash",
    "line\nbreak\ttab",
    "日本語 å €",
    '"] or row >= 0 or item_id in ["',
    "%_{}()[]",
    "x" * 200,
    "nul\0byte",
    "\0",
    "\x01\x1b[0m\x7f",
    "carriage\rreturn",
    " 01",
    "01 ",
    "Bj\u00f6rk",
    "Bjo\u0308rk",
    "\U0001f600" * 5000,
]
HOSTILE_LANGUAGES = [
    'say "x"',
    "a\\b",
    "line\nb",
    "car\rriage",
    "\x01",
    "nul\0",
    "tab\t",
    "x" * 256,
]


KINDS: dict[str, FilterKind] = {
    "language": "keyword",
    "series / 'part' \U0001f4da": "keyword",
    "genres": "keywords",
    "row": "number",
    "in": "moment",
    "\U0001f600" * 64: "number",
}
SERIES, LONG = list(KINDS)[1], list(KINDS)[-1]
GENRES = [*HOSTILE_LANGUAGES, "crime", "noir", "all"]
NUMBERS = [None, -2.5, 0.0, 1e-07, 3.0, 1e300, -1e300, 123456789.25]
MOMENTS = [
    None,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=2))),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


@dataclass(frozen=True)
class Items:
    ids: list[str]
    vectors: np.ndarray
    columns: pa.Table

    def __getitem__(self, at: int) -> dict[str, Any]:
        return {"item_id": self.ids[at], **self.rows[at]}

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        return self.columns.to_pylist()


@pytest.fixture(scope="module")
def items() -> Items:
    rng = np.random.default_rng(1)
    ids = [f"i{number:03d}" for number in range(N - len(HOSTILE))] + HOSTILE
    spoken = [("en", "de", None)[number % 3] for number in range(N - len(HOSTILE_LANGUAGES))]
    values = {
        "language": [*HOSTILE_LANGUAGES, *spoken],
        SERIES: [(None, "one", "two", 'x"')[at % 4] for at in range(N)],
        "genres": [
            None if at % 7 == 0 else rng.choice(GENRES, size=at % 4, replace=False).tolist()
            for at in range(N)
        ],
        "row": [NUMBERS[at % len(NUMBERS)] for at in range(N)],
        "in": [MOMENTS[at % len(MOMENTS)] for at in range(N)],
        LONG: [None if at % 2 else float(at) for at in range(N)],
    }
    arrays = [pa.array(values[name], ARROW_TYPES[kind]) for name, kind in KINDS.items()]
    return Items(ids, unit(rng, N), pa.table(arrays, names=list(KINDS)))


@pytest.fixture
def filled(index: VectorIndex, items: Items) -> VectorIndex:
    """With the collection `SHARED`, which tests read only: a server takes seconds to write one."""
    if SHARED not in index.collections():
        index.create(SHARED, items.ids, items.vectors, columns=items.columns)
    return index


def truth(items: Items, query: np.ndarray, k: int, asked: Filter) -> list[tuple[str, float]]:
    """Straight from the definition, in float64 and with Python's own comparisons."""
    scores = items.vectors.astype(np.float64) @ query.astype(np.float64)
    allowed = [at for at in range(N) if passes(items[at], asked)]
    best = sorted(allowed, key=lambda at: -scores[at])[:k]
    return [(items.ids[at], scores[at]) for at in best]


def passes(item: dict[str, Any], asked: Filter) -> bool:
    def values(name: str) -> set[Any]:
        value = item[name]
        return set(value) if isinstance(value, list) else {value} - {None}

    def within(name: str, low: Any, high: Any) -> bool:
        value = item[name]
        return (
            value is not None and (low is None or low <= value) and (high is None or value <= high)
        )

    return (
        all(values(name) & set(some) for name, some in asked.include.items())
        and not any(values(name) & set(some) for name, some in asked.exclude.items())
        and all(within(name, *ends) for name, ends in asked.ranges.items())
    )


def speaking(language: str) -> Filter:
    return Filter(include={"language": [language]})


@pytest.mark.parametrize(
    "asked",
    [
        Filter(),
        speaking("de"),
        Filter(exclude={"item_id": HOSTILE}),
        Filter({"language": ["en"]}, {"item_id": [*HOSTILE, "i000", "i003", "nobody knows this"]}),
        speaking("xx"),
        speaking('de" or row >= 0 or language == "'),
        *map(speaking, HOSTILE_LANGUAGES),
        Filter(include={"item_id": ["i001", "\0", "no such item"]}),
        Filter(include={"genres": ["crime", "noir"]}, ranges={"row": (None, 3)}),
        Filter(exclude={"genres": GENRES}, ranges={"in": (MOMENTS[2], None)}),
        Filter(include={"row": [-1e300]}, exclude={SERIES: ['x"']}),
        Filter(ranges={"row": (None, 1e300), "in": (None, MOMENTS[-1]), LONG: (5, 200.0)}),
    ],
)
def test_search_is_the_definition(filled: VectorIndex, items: Items, asked: Filter) -> None:
    queries = unit(np.random.default_rng(2), 5)
    ids, scores = filled.search(SHARED, queries, 20, filter=asked)
    assert len(ids) == len(scores) == 5
    for query, found, found_scores in zip(queries, ids, scores, strict=True):
        expected = truth(items, query, 20, asked)
        assert found == [item for item, _ in expected]
        assert found_scores.dtype == np.float32
        np.testing.assert_allclose(found_scores, [score for _, score in expected], atol=1e-5)
        assert (np.diff(found_scores) <= 0).all()


BAD_FILTERS = {
    "'genre'.*genres'": Filter(include={"genre": ["crime"]}),
    "c_x": Filter(ranges={"c_x": (1, 2)}),
    "vector": Filter(include={"vector": ["x"]}),
    "'genres' holds keywords, which have no range": Filter(ranges={"genres": ("a", "b")}),
    "'language' holds one keyword": Filter(ranges={"language": ("a", "b")}),
    "No value of 'language'": Filter(include={"language": []}),
    "of 'language' is empty": Filter(exclude={"language": [""]}),
    "is 257 bytes": Filter(include={"genres": ["x" * 257]}),
    "not valid Unicode": Filter(include={"genres": ["\ud800"]}),
    "come as a list": Filter(include={"language": "de"}),
    "3 of 'genres' is no text": Filter(include={"genres": [3]}),
    "'3' of 'row' is no number": Filter(include={"row": ["3"]}),
    "True of 'row' is no number": Filter(exclude={"row": [True]}),
    "nan of 'row' lies beyond": Filter(ranges={"row": (None, np.nan)}),
    "The range of 'row' has no end": Filter(ranges={"row": (None, None)}),
    "begins at 3 and ends at 2": Filter(ranges={"row": (3, 2)}),
    "'2024' of 'in' is no moment": Filter(ranges={"in": ("2024", None)}),
    "of 'in' has no time zone": Filter(include={"in": [datetime(2024, 1, 1)]}),
    "of 'item_id' is empty or white space": Filter(exclude={"item_id": [" "]}),
}


@pytest.mark.parametrize("fault", BAD_FILTERS)
def test_bad_filters_are_refused(filled: VectorIndex, fault: str) -> None:
    with pytest.raises(FilterRefused, match=fault) as caught:
        filled.search(SHARED, unit(np.random.default_rng(2), 1), 3, filter=BAD_FILTERS[fault])
    assert caught.value.column in BAD_FILTERS[fault].columns


def test_an_item_finds_itself_whatever_its_id(filled: VectorIndex, items: Items) -> None:
    found, _ = filled.search(SHARED, items.vectors[-len(HOSTILE) :], 1)
    assert [answer[0] for answer in found] == HOSTILE
    for at, item in enumerate(HOSTILE):
        one = items.vectors[[N - len(HOSTILE) + at]]
        without, _ = filled.search(SHARED, one, N, filter=Filter(exclude={"item_id": [item]}))
        assert len(without[0]) == N - 1
        assert item not in without[0]


def test_asking_for_more_than_there_is_gives_all(filled: VectorIndex, items: Items) -> None:
    query = unit(np.random.default_rng(3), 1)
    assert len(filled.search(SHARED, query, 10_000)[0][0]) == N
    german = items.columns.column("language").to_pylist().count("de")
    assert len(filled.search(SHARED, query, 10_000, filter=speaking("de"))[0][0]) == german


def test_rows_order_equal_scores(index: VectorIndex, name: str) -> None:
    vectors = np.repeat(unit(np.random.default_rng(5), 1), 4, axis=0)
    rows = np.array([30, 10, 40, 20])
    index.create(name, ["c", "a", "d", "b"], vectors, rows=rows)
    assert index.search(name, vectors[:1], 4)[0] == [["a", "b", "c", "d"]]


def test_the_life_of_an_alias(index: VectorIndex, name: str) -> None:
    """One test, since a server takes seconds for each collection."""
    alias, one, two = f"live_{name}", f"{name}_one", f"{name}_two"
    vectors = unit(np.random.default_rng(6), 3)
    index.create(one, ["x", "y", "z"], vectors)
    assert index.resolve_alias(alias) is None
    index.point_alias(alias, one)
    assert index.resolve_alias(alias) == one
    assert index.count(alias) == 3
    assert index.search(alias, vectors[[1]], 1)[0] == [["y"]]

    # Names do not clash.
    with pytest.raises(VectorIndexError, match="collection, not an alias"):
        index.point_alias(one, one)
    with pytest.raises(VectorIndexError, match="alias, not a collection"):
        index.create(alias, ["x"], vectors[:1])
    with pytest.raises(VectorIndexError, match="No collection"):
        index.point_alias(alias, "nowhere")

    # What an alias needs is not dropped; an alias is no collection.
    with pytest.raises(VectorIndexError, match=alias):
        index.drop(one)
    index.drop(alias)
    assert index.count(one) == 3

    # A replaced collection is new through and through and keeps its alias.
    narrow = unit(np.random.default_rng(4), 7, d=8)
    index.create(one, list("abcdefg"), narrow)
    assert index.resolve_alias(alias) == one
    assert index.count(alias) == 7
    assert index.search(alias, narrow[[2]], 1)[0] == [["c"]]

    # It follows where it is pointed, and what it left may go.
    index.create(two, ["p", "q"], vectors[:2])
    index.point_alias(alias, two)
    index.point_alias(alias, two)
    assert index.resolve_alias(alias) == two
    assert index.search(alias, vectors[[1]], 1)[0] == [["q"]]
    index.drop(one)
    index.drop(one)
    found = set(index.collections())
    assert two in found
    assert not found & {one, alias}
    with pytest.raises(VectorIndexError):
        index.search(one, narrow[:1], 1)


BAD_VECTORS: dict[str, np.ndarray] = {
    "not finite": np.full((2, D), np.nan, np.float32),
    "unit length": np.full((2, D), 0.5, np.float32),
    "float64": np.eye(2, D),
    "no item": np.zeros((0, D), np.float32),
    "float32": np.zeros(D, np.float32),
}


@pytest.mark.parametrize("fault", BAD_VECTORS)
def test_bad_vectors_are_refused(index: VectorIndex, name: str, fault: str) -> None:
    vectors = BAD_VECTORS[fault]
    with pytest.raises(VectorIndexError, match=fault):
        index.create(name, [f"i{at}" for at in range(len(vectors))], vectors)
    assert name not in index.collections()


@pytest.mark.parametrize(
    ("ids", "languages", "fault"),
    [
        (["a", "a"], [None, None], "twice"),
        (["a"], [None, None], "1 ids"),
        (["a", ""], [None, None], "empty"),
        (["a", " \t\u3000"], [None, None], "white space"),
        (["a", "\ud800"], [None, None], "Unicode"),
        (["a", "b" * 70_000], [None, None], "70,000 bytes long in UTF-8; an id has at most 65,535"),
        (["a", 3], [None, None], "item id"),
        (["a", "b"], [None, "x" * 300], "over 256"),
        (["a", "b"], [None, ""], "'language' is empty"),
    ],
)
def test_bad_items_are_refused(
    index: VectorIndex, name: str, ids: list[str], languages: list[str | None], fault: str
) -> None:
    columns = pa.table({"language": pa.array(languages, pa.string())})
    with pytest.raises(VectorIndexError, match=fault):
        index.create(name, ids, unit(np.random.default_rng(9), 2), columns=columns)


def test_bad_searches_are_refused(filled: VectorIndex) -> None:
    good = unit(np.random.default_rng(10), 1)
    for queries in (good * 2, good.astype(np.float64), good[0], good * np.nan):
        with pytest.raises(VectorIndexError):
            filled.search(SHARED, queries, 3)
    for k in (0, -1, 20_000):
        with pytest.raises(VectorIndexError, match="k is"):
            filled.search(SHARED, good, k)
    with pytest.raises(VectorIndexError, match="16"):
        filled.search(SHARED, unit(np.random.default_rng(10), 1, d=8), 3)
    with pytest.raises(VectorIndexError):
        filled.search("nowhere", good, 3)
    with pytest.raises(VectorIndexError, match="cannot name"):
        filled.search("../etc", good, 3)
    with pytest.raises(VectorIndexError, match="deadline"):
        filled.search(SHARED, good, 3, deadline=0.0)


def test_a_deadline_is_kept(filled: VectorIndex) -> None:
    queries = unit(np.random.default_rng(11), 3000)
    filled.search(SHARED, queries[:1], 1)
    start = time.monotonic()
    try:
        filled.search(SHARED, queries, 100, deadline=0.001)
    except VectorIndexError:
        assert time.monotonic() - start < 1.0
    else:
        assert isinstance(filled, ExactIndex)  # one block: faster than it can look at the clock
    assert len(filled.search(SHARED, queries[:2], 5, deadline=10.0)[0]) == 2


VALUES: dict[str, list[Any]] = {
    "item_id": [*HOSTILE, *(f"i{at:03d}" for at in range(40))],
    "language": ["de", "en", "sv", *HOSTILE_LANGUAGES],
    SERIES: ["one", "two", 'x"', '" or true'],
    "genres": GENRES,
    "row": NUMBERS[1:],
    "in": MOMENTS[1:],
    LONG: [0.0, 10.0, 11.0, 290.0],
}


def parts(names: list[str]) -> st.SearchStrategy[dict[str, list[Any]]]:
    return st.lists(st.sampled_from(names), unique=True, max_size=3).flatmap(
        lambda some: st.fixed_dictionaries(
            {name: st.lists(st.sampled_from(VALUES[name]), min_size=1, max_size=6) for name in some}
        )
    )


def ends(name: str, given: list[Any]) -> tuple[Any, Any]:
    low, high = min(given), max(given)
    return (None, high) if len(given) == 1 else (low, None) if len(given) == 2 else (low, high)


FILTERS = st.builds(
    lambda include, exclude, ranges: Filter(
        include, exclude, {name: ends(name, given) for name, given in ranges.items()}
    ),
    parts(list(VALUES)),
    parts(list(VALUES)),
    parts(["row", "in", LONG]),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(k=st.integers(1, 40), asked=FILTERS, seed=st.integers(0, 1000))
def test_any_filter_gives_the_definition(
    filled: VectorIndex, items: Items, k: int, asked: Filter, seed: int
) -> None:
    query = unit(np.random.default_rng(seed), 1)
    (found,), _ = filled.search(SHARED, query, k, filter=asked)
    assert found == [item for item, _ in truth(items, query[0], k, asked)]
