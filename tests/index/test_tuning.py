"""An approximate index looks as far as the recall needs that is asked of it, and no further."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from colisten.errors import VectorIndexError
from colisten.index import ExactIndex
from colisten.index.filter import ARROW_TYPES, EVERY_ITEM, Filter, FilterColumns
from colisten.index.milvus import MilvusIndex
from colisten.index.milvus_search import PROPERTY, builds, read_record, search_params
from colisten.index.protocol import Hits
from colisten.index.search_tuning import (
    SearchRecord,
    filters_to_measure,
    least_value,
    recall_of,
)
from colisten.json_files import to_json
from colisten.settings.index import IndexKind, IndexSettings

N, D, K, USERS = 4_000, 48, 100, 32


def test_the_least_value_that_reaches_the_target_is_found() -> None:
    asked = list[int]()

    def measure(value: int) -> np.ndarray:
        asked.append(value)
        return np.full(4, min(1.0, value / 1000))

    value, recall = least_value(measure, 0.95, 100, 5000)
    assert 950 <= value <= 1000
    assert recall == value / 1000
    assert len(asked) <= 8
    assert least_value(measure, 0.05, 100, 5000) == (100, 0.1)
    with pytest.raises(VectorIndexError, match=r"0\.500 .* at 500.*index\.recall asks for 0\.95"):
        least_value(measure, 0.95, 100, 500)


def test_a_target_is_reached_by_more_than_luck() -> None:
    def measure(value: int) -> np.ndarray:
        return np.array([1.0, 0.9] * 2) if value < 8 else np.full(4, 0.96)

    assert least_value(measure, 0.95, 2, 64) == (8, 0.96), "a mean of .95 with an error is not .95"
    assert least_value(measure, 0.95, 2, 4) == (4, 0.95), "it is where nothing is left to try"


def test_ties_and_short_answers_are_counted() -> None:
    exact: Hits = ([["a", "b"], []], [np.array([0.9, 0.5], np.float32), np.zeros(0, np.float32)])
    tied: Hits = ([["a", "c"], []], [np.array([0.9, 0.5], np.float32), np.zeros(0, np.float32)])
    short: Hits = ([["a"], []], [np.array([0.9], np.float32), np.zeros(0, np.float32)])
    assert recall_of(tied, exact).tolist() == [1.0, 1.0]
    assert recall_of(short, exact).tolist() == [0.5, 1.0]


def test_filters_that_many_items_pass_are_measured() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    table = pa.table(
        {
            "language": pa.array(["en"] * 80 + ["de"] * 15 + ["sv"] + [None] * 4),
            "genres": pa.array([["crime", "all"]] * 10 + [["all"]] * 90, ARROW_TYPES["keywords"]),
            "at": pa.array(
                [start + timedelta(days=day) for day in range(100)], ARROW_TYPES["moment"]
            ),
            "none": pa.array([None] * 100, ARROW_TYPES["number"]),
        }
    )
    columns = FilterColumns(table)
    found = filters_to_measure(columns)
    assert Filter(include={"genres": ["crime"]}) in found
    assert Filter(include={"language": ["de"]}) in found
    assert len(found) == 3
    assert filters_to_measure(FilterColumns(table.select(["none"]))) == []
    for asked in found:
        mask = columns.mask(asked.checked(columns.kinds))
        assert mask is not None
        assert 2 <= mask.sum() <= 60


def test_a_search_is_told_more_where_more_is_wanted() -> None:
    record = SearchRecord("hnsw", {}, "ef", plain=200, filtered=400, k=100)
    told = [search_params(record, None, k, gone, filtered=by)["ef"] for k, gone, by in [
        (10, 0, False), (100, 0, True), (100, 100, False), (500, 0, False),
    ]]  # fmt: skip
    assert told == [200, 400, 400, 1000]
    assert search_params(record, 30, 10, 0, filtered=True) == {"ef": 30}, "somebody set it"
    assert search_params(record, 30, 50, 0, filtered=True) == {"ef": 50}
    assert search_params(None, None, 10, 0, filtered=False) == {"ef": 160}, "of yesterday"
    lists = builds("ivf", 10_000, 100)[0]
    assert search_params(lists, None, 100, 500, filtered=False) == {"nprobe": 256}


@pytest.mark.parametrize(
    "told", [None, 3, "", "{", "[]", "{}", '{"kind": "hnsw"}', '{"plain": -1, "filtered": 1}']
)
def test_a_record_that_says_nothing_is_none(told: Any) -> None:
    assert read_record({PROPERTY: told}) is None
    good = SearchRecord("hnsw", {"M": 16}, "ef", plain=200, filtered=400, k=100, target=0.95)
    assert read_record({PROPERTY: to_json(good.to_dict())}) == good
    assert read_record({PROPERTY: to_json(replace(good, plain=0).to_dict())}) is None
    assert read_record(None) is None


@dataclass(frozen=True)
class World:
    """Items of 60 tastes, and users who are near to some of them."""

    items: np.ndarray
    users: np.ndarray
    columns: pa.Table

    @cached_property
    def ids(self) -> list[str]:
        return [f"i{at:05d}" for at in range(len(self.items))]

    @cached_property
    def truth(self) -> ExactIndex:
        index = ExactIndex()
        index.create("truth", self.ids, self.items, columns=self.columns)
        return index

    def exact(self, queries: np.ndarray, k: int, asked: Filter) -> Hits:
        return self.truth.search("truth", queries, k, filter=asked)


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(7)
    tastes = rng.normal(size=(60, D))

    def near(count: int) -> np.ndarray:
        rows = 0.5 * tastes[rng.integers(0, 60, count)] + rng.normal(size=(count, D))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    shelf = rng.choice(["a", "b", "c", "d"], N, p=[0.1, 0.2, 0.3, 0.4])
    minutes = rng.integers(1, 1000, N).astype(float)
    columns = pa.table({"shelf": pa.array(shelf), "minutes": pa.array(minutes)})
    return World(near(N), near(5 * USERS), columns)


@pytest.fixture(params=["hnsw", "ivf"])
def tuned_index(
    request: pytest.FixtureRequest, world: World, milvus_uri: str
) -> Iterator[tuple[MilvusIndex, str]]:
    kind: IndexKind = request.param
    settings = IndexSettings(uri=milvus_uri, kind=kind)
    name = f"tuned_{kind}"
    with MilvusIndex(milvus_uri, settings=settings) as index:
        index.create(name, world.ids, world.items, columns=world.columns)
        filters = filters_to_measure(FilterColumns(world.columns))
        index.tune(name, world.users[:USERS], world.exact, filters)
        yield index, name


@pytest.mark.slow
def test_a_server_finds_what_is_asked_of_it_with_filters_and_without(
    tuned_index: tuple[MilvusIndex, str], world: World, milvus_uri: str
) -> None:
    index, name = tuned_index
    told = index.search_record(name)
    assert told is not None
    record = SearchRecord.from_mapping(told)
    assert (record.target, record.k, record.queries) == (0.95, K, USERS)
    assert record.filters == 5
    assert record.recall is not None
    assert record.filtered_recall is not None
    assert min(record.recall, record.filtered_recall) >= 0.95
    most = record.built.get("nlist", N)
    assert record.plain <= record.filtered < most, "no more is looked at than is needed"

    # Users who were not measured, filters that were not; a fresh client reads the record.
    others = world.users[USERS:]
    asked = [
        EVERY_ITEM,
        *(Filter(include={"shelf": [name]}) for name in "abcd"),
        Filter(ranges={"minutes": (None, 150.0)}),
        Filter(include={"shelf": ["b", "c"]}, ranges={"minutes": (500.0, None)}),
        Filter(exclude={"shelf": ["d"], "item_id": world.ids[:300]}),
    ]
    with MilvusIndex(milvus_uri) as fresh:
        for one in asked:
            found, exact = fresh.search(name, others, K, filter=one), world.exact(others, K, one)
            assert all(len(ids) == K for ids in found[0]), "shelves are full"
            recall = recall_of(found, exact)
            noise = float(recall.std()) / len(recall) ** 0.5
            assert recall.mean() + noise >= 0.95, one

    # It is the index that was measured, and not rows that are searched whole until it is built.
    low = IndexSettings(uri=milvus_uri, ef=K)
    if record.kind == "hnsw":
        with MilvusIndex(milvus_uri, settings=low) as hasty:
            found = hasty.search(name, others, K)
            assert recall_of(found, world.exact(others, K, EVERY_ITEM)).mean() < 0.95


@pytest.mark.slow
def test_a_graph_that_filters_cut_into_pieces_gives_way(world: World, milvus_uri: str) -> None:
    """Users near to one language's titles, who ask for those of another."""
    rng = np.random.default_rng(3)
    parts = rng.choice(4, N, p=[0.1, 0.2, 0.3, 0.4])
    apart = 3.0 * np.eye(4, D)[parts] + 0.3 * rng.normal(size=(N, D)) / np.sqrt(D)
    items = (apart / np.linalg.norm(apart, axis=1, keepdims=True)).astype(np.float32)
    columns = pa.table({"language": pa.array(np.array(["sv", "es", "de", "en"])[parts])})
    torn = World(items, items[parts == 3][:USERS], columns)
    filters = filters_to_measure(FilterColumns(columns))
    assert len(filters) >= 3
    with MilvusIndex(milvus_uri, settings=IndexSettings(uri=milvus_uri)) as index:
        index.create("torn", torn.ids, torn.items, columns=columns)
        index.tune("torn", torn.users, torn.exact, filters)
        told = index.search_record("torn")
        assert told is not None
        record = SearchRecord.from_mapping(told)
        assert record.filtered_recall is not None
        assert record.filtered_recall >= 0.95
        assert (record.built.get("M"), record.asked) != (16, None), "a graph of few edges is torn"
        index.tune("torn", torn.users, torn.exact, filters)
        assert index.search_record("torn") == told, "what was measured stays"
    with MilvusIndex(milvus_uri, settings=IndexSettings(uri=milvus_uri, kind="ivf")) as index:
        index.tune("torn", torn.users, torn.exact, filters)
        assert SearchRecord.from_mapping(index.search_record("torn") or {}).kind == "ivf"
        for asked in (EVERY_ITEM, *filters):
            found = index.search("torn", torn.users, K, filter=asked)
            assert recall_of(found, torn.exact(torn.users, K, asked)).mean() >= 0.95
