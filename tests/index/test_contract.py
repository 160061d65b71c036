"""What every vector index promises, asked of exact search, Milvus Lite and a Milvus server."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.errors import VectorIndexError
from colisten.index import ExactIndex, VectorIndex
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


@pytest.fixture(scope="module")
def items() -> tuple[list[str], np.ndarray, list[str | None]]:
    vectors = unit(np.random.default_rng(1), N)
    ids = [f"i{number:03d}" for number in range(N - len(HOSTILE))] + HOSTILE
    spoken: list[str | None] = [("en", "de", None)[number % 3] for number in range(N)]
    languages = [*HOSTILE_LANGUAGES, *spoken[len(HOSTILE_LANGUAGES) :]]
    return ids, vectors, languages


@pytest.fixture
def filled(
    index: VectorIndex, items: tuple[list[str], np.ndarray, list[str | None]]
) -> VectorIndex:
    """With the collection `SHARED`, which tests read only: a server takes seconds to write one."""
    if SHARED not in index.collections():
        ids, vectors, languages = items
        index.create(SHARED, ids, vectors, languages=languages)
    return index


def truth(
    items: tuple[list[str], np.ndarray, list[str | None]],
    query: np.ndarray,
    k: int,
    language: str | None = None,
    exclude: tuple[str, ...] = (),
) -> list[tuple[str, float]]:
    """Straight from the definition, in float64."""
    ids, vectors, languages = items
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    allowed = [
        at
        for at in range(len(ids))
        if ids[at] not in exclude and (language is None or languages[at] == language)
    ]
    best = sorted(allowed, key=lambda at: -scores[at])[:k]
    return [(ids[at], scores[at]) for at in best]


@pytest.mark.parametrize(
    ("language", "exclude"),
    [
        (None, ()),
        ("de", ()),
        (None, tuple(HOSTILE)),
        ("en", (*HOSTILE, "i000", "i003", "nobody knows this")),
        ("xx", ()),
        ('de" or row >= 0 or language == "', ()),
        *((language, ()) for language in HOSTILE_LANGUAGES),
    ],
)
def test_search_is_the_definition(
    filled: VectorIndex,
    items: tuple[list[str], np.ndarray, list[str | None]],
    language: str | None,
    exclude: tuple[str, ...],
) -> None:
    queries = unit(np.random.default_rng(2), 5)
    ids, scores = filled.search(SHARED, queries, 20, language=language, exclude=exclude)
    assert len(ids) == len(scores) == 5
    for query, found, found_scores in zip(queries, ids, scores, strict=True):
        expected = truth(items, query, 20, language, exclude)
        assert found == [item for item, _ in expected]
        assert found_scores.dtype == np.float32
        np.testing.assert_allclose(found_scores, [score for _, score in expected], atol=1e-5)
        assert (np.diff(found_scores) <= 0).all()


def test_an_item_finds_itself_whatever_its_id(
    filled: VectorIndex, items: tuple[list[str], np.ndarray, list[str | None]]
) -> None:
    _, vectors, _ = items
    found, _ = filled.search(SHARED, vectors[-len(HOSTILE) :], 1)
    assert [answer[0] for answer in found] == HOSTILE
    for at, item in enumerate(HOSTILE):
        without, _ = filled.search(SHARED, vectors[[N - len(HOSTILE) + at]], N, exclude=[item])
        assert len(without[0]) == N - 1
        assert item not in without[0]


def test_asking_for_more_than_there_is_gives_all(
    filled: VectorIndex, items: tuple[list[str], np.ndarray, list[str | None]]
) -> None:
    query = unit(np.random.default_rng(3), 1)
    assert len(filled.search(SHARED, query, 10_000)[0][0]) == N
    assert len(filled.search(SHARED, query, 10_000, language="de")[0][0]) == items[2].count("de")


def test_rows_order_equal_scores(index: VectorIndex, name: str) -> None:
    vectors = np.repeat(unit(np.random.default_rng(5), 1), 4, axis=0)
    rows = np.array([30, 10, 40, 20])
    index.create(name, ["c", "a", "d", "b"], vectors, languages=[None] * 4, rows=rows)
    assert index.search(name, vectors[:1], 4)[0] == [["a", "b", "c", "d"]]


def test_the_life_of_an_alias(index: VectorIndex, name: str) -> None:
    """One test, since a server takes seconds for each collection."""
    alias, one, two = f"live_{name}", f"{name}_one", f"{name}_two"
    vectors = unit(np.random.default_rng(6), 3)
    index.create(one, ["x", "y", "z"], vectors, languages=["sv"] * 3)
    assert index.resolve_alias(alias) is None
    index.point_alias(alias, one)
    assert index.resolve_alias(alias) == one
    assert index.count(alias) == 3
    assert index.search(alias, vectors[[1]], 1)[0] == [["y"]]

    # Names do not clash.
    with pytest.raises(VectorIndexError, match="collection, not an alias"):
        index.point_alias(one, one)
    with pytest.raises(VectorIndexError, match="alias, not a collection"):
        index.create(alias, ["x"], vectors[:1], languages=[None])
    with pytest.raises(VectorIndexError, match="No collection"):
        index.point_alias(alias, "nowhere")

    # What an alias needs is not dropped; an alias is no collection.
    with pytest.raises(VectorIndexError, match=alias):
        index.drop(one)
    index.drop(alias)
    assert index.count(one) == 3

    # A replaced collection is new through and through and keeps its alias.
    narrow = unit(np.random.default_rng(4), 7, d=8)
    index.create(one, list("abcdefg"), narrow, languages=[None] * 7)
    assert index.resolve_alias(alias) == one
    assert index.count(alias) == 7
    assert index.search(alias, narrow[[2]], 1)[0] == [["c"]]

    # It follows where it is pointed, and what it left may go.
    index.create(two, ["p", "q"], vectors[:2], languages=[None] * 2)
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


BAD_VECTORS = {
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
        index.create(
            name, [f"i{at}" for at in range(len(vectors))], vectors, languages=[None] * len(vectors)
        )
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
        (["a", "b"], [None, ""], "language"),
    ],
)
def test_bad_items_are_refused(
    index: VectorIndex, name: str, ids: list[str], languages: list[str | None], fault: str
) -> None:
    with pytest.raises(VectorIndexError, match=fault):
        index.create(name, ids, unit(np.random.default_rng(9), 2), languages=languages)


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


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    k=st.integers(1, 40),
    language=st.sampled_from([None, "de", "en", "sv"]),
    exclude=st.lists(st.sampled_from(HOSTILE + [f"i{at:03d}" for at in range(40)]), unique=True),
    seed=st.integers(0, 1000),
)
def test_any_filter_gives_the_definition(
    filled: VectorIndex,
    items: tuple[list[str], np.ndarray, list[str | None]],
    k: int,
    language: str | None,
    exclude: list[str],
    seed: int,
) -> None:
    query = unit(np.random.default_rng(seed), 1)
    (found,), _ = filled.search(SHARED, query, k, language=language, exclude=exclude)
    assert found == [item for item, _ in truth(items, query[0], k, language, tuple(exclude))]
