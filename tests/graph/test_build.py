from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.events import write_events
from colisten.errors import ConfigError, GraphError
from colisten.graph.build import build_graph, build_graph_on
from colisten.graph.folds import fold_of
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED
from colisten.settings.engine import Engine
from colisten.settings.sections import GraphSettings
from colisten.settings.tree import Settings
from tests.conftest import CUT, START
from tests.graph.histories import Event, write_history
from tests.graph.sections import of_graph

# Strength and moment of every edge.
Edges = dict[tuple[str, str], tuple[float, int]]


def edges_of(graph: CoListeningGraph, ids: list[str]) -> Edges:
    found = {}
    for (sender, _, receiver), relation in graph.relations.items():
        left, right = graph.slice_of(receiver).start, graph.slice_of(sender).start
        assert relation.times is not None
        for row, column, weight, moment in zip(
            relation.rows, relation.indices, relation.weights, relation.times, strict=True
        ):
            found[ids[left + row], ids[right + column]] = float(weight), int(moment)
    return found


def reference(
    events: list[Event], ids: list[str], type_of: dict[str, str], as_of: datetime, s: GraphSettings
) -> Edges:
    """The rules of docs/graph.md as loops."""
    since = as_of - timedelta(days=s.window_days) if s.window_days else None
    first: dict[tuple[str, str], datetime] = {}
    last: dict[tuple[str, str], datetime] = {}
    for user, item, signal, at in events:
        if (
            at < as_of
            and (since is None or at >= since)
            and signal in (s.signals or ())
            and item in type_of
        ):
            first[user, item] = min(at, first.get((user, item), at))
            last[user, item] = max(at, last.get((user, item), at))
    colisteners: Counter[tuple[str, str]] = Counter()
    strength: Counter[tuple[str, str]] = Counter()
    listeners: Counter[str] = Counter()
    moments: dict[tuple[str, str], datetime] = {}
    users = {user for user, _ in last}
    for user in users:
        kept: list[str] = []
        for kind in ("audiobook", "podcast"):
            mine = [item for who, item in last if who == user and type_of[item] == kind]
            mine.sort(key=lambda item: (-last[user, item].timestamp(), item))
            kept += mine[: s.max_items_per_user]
        listeners.update(kept)
        share = 1_000_000 // max(len(kept) - 1, 1) if s.weights == "user_share" else 1_000_000
        for a in kept:
            for b in kept:
                if a == b:
                    continue
                added = share
                if s.half_life_days:
                    older = min(last[user, a], last[user, b])
                    age = as_of.timestamp() // 86400 - older.timestamp() // 86400
                    factor = max(round(1_000_000 * 0.5 ** (age / s.half_life_days)), 1)
                    added = share * factor // 1_000_000
                colisteners[a, b] += 1
                strength[a, b] += added
                both = max(first[user, a], first[user, b])
                moments[a, b] = min(both, moments.get((a, b), both))
    edges: Edges = {}
    for source in ids:
        for kind in ("audiobook", "podcast"):
            near = []
            for (left, target), count in colisteners.items():
                if left == source and type_of[target] == kind and count >= s.min_colisteners:
                    value = strength[left, target] / 1_000_000
                    pairs = listeners[left] * listeners[target]
                    if s.weights == "cosine":
                        value = value / pairs**0.5
                    if s.weights == "lift":
                        value = value * len(users) / pairs
                    near.append((-value, target))
            for less, target in sorted(near)[: s.top_k]:
                moment = round(moments[source, target].timestamp() * 1_000_000)
                edges[source, target] = float(np.float32(-less)), moment
    return edges


MOMENTS = st.integers(0, 20).map(lambda days: START + timedelta(days=days))
BOOKS, SHOWS = ["a1", "a2", "a3", "a9"], ["p1", "p2", "p3"]


@settings(max_examples=25, deadline=None)
@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["u1", "u2", "u3", "u4"]),
            st.sampled_from([*BOOKS, *SHOWS, "not-in-catalogue"]),
            st.sampled_from(["stream", "follow", "preview"]),
            MOMENTS,
        ),
        max_size=40,
    ),
    chosen=st.builds(
        GraphSettings,
        window_days=st.sampled_from([None, 5]),
        signals=st.sampled_from([("stream",), ("stream", "follow")]),
        max_items_per_user=st.integers(1, 5),
        min_colisteners=st.integers(1, 2),
        top_k=st.integers(1, 4),
        weights=st.sampled_from(["colisteners", "user_share", "cosine", "lift"]),
        half_life_days=st.sampled_from([None, 3.0]),
    ),
    podcasts=st.booleans(),
    as_of=MOMENTS,
)
def test_graph_is_what_a_naive_reference_counts(
    events: list[Event], chosen: GraphSettings, podcasts: bool, as_of: datetime
) -> None:
    shows = SHOWS if podcasts else []
    ids = BOOKS + shows
    type_of = {name: "audiobook" if name in BOOKS else "podcast" for name in ids}
    wanted = reference(events, ids, type_of, as_of, chosen)
    engine = ibis.duckdb.connect(threads=1)
    with TemporaryDirectory() as folder:
        history = write_history(Path(folder), BOOKS, shows, events)
        for in_memory in (True, False):
            graph = build_graph_on(engine, history, as_of=as_of, graph=chosen, in_memory=in_memory)
            assert edges_of(graph, ids) == wanted
            assert graph.num_nodes == {"audiobook": len(BOOKS), "podcast": len(shows)}
    engine.disconnect()


LATE = datetime(2030, 1, 1, tzinfo=UTC)


def some_events(folder: Path, users: int, audiobooks: int) -> Path:
    """Ten events a user, of audiobooks and four times as many podcasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.events.AUDIOBOOKS", audiobooks)
        patch.setattr("benchmarks.events.PODCASTS", 4 * audiobooks)
        return write_events(folder, users=users, events=10 * users)


@pytest.fixture(scope="module")
def many_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300,000 events of 30,000 users."""
    return some_events(tmp_path_factory.mktemp("many"), 30_000, 1_000)


@pytest.mark.slow
def test_out_of_core_gives_the_same_graph(many_events: Path, tmp_path: Path) -> None:
    """Over 2 million pairs counted by DuckDB in 100 MB, beyond which it spills to disk."""
    chosen = Settings(graph=GraphSettings(min_colisteners=2))
    engine = ibis.duckdb.connect(
        threads=1, memory_limit="100MB", temp_directory=str(tmp_path / "spill")
    )
    tight = build_graph_on(
        engine,
        many_events,
        as_of=LATE,
        **of_graph(chosen),
        in_memory=False,
    )
    engine.disconnect()
    usual = build_graph(many_events, as_of=LATE, **of_graph(chosen))
    assert usual.num_edges > 100_000
    assert tight.digest() == usual.digest()


@pytest.mark.slow
def test_a_user_with_50_000_items_is_capped(tmp_path: Path) -> None:
    books = [f"a{number:05}" for number in range(50_000)]
    events = [
        ("heavy", item, "stream", START + timedelta(seconds=number))
        for number, item in enumerate(books)
    ]
    history = write_history(tmp_path, books, [], events)
    graph = build_graph(history, as_of=LATE)
    relation = graph.relations["audiobook", "co_listened", "audiobook"]
    assert relation.num_edges == 100 * 99
    assert set(np.unique(relation.indices)) == set(range(49_900, 50_000)), "the most recent"


def test_a_memory_limit_is_read_as_duckdb_reads_it(tiny_history: Path) -> None:
    with pytest.raises(ConfigError, match="no memory limit"):
        build_graph_on(
            ibis.duckdb.connect(),
            tiny_history,
            as_of=CUT,
            engine=Engine(memory_limit="plenty"),
        )


def test_later_events_change_nothing(tiny_source: Path, tiny_history: Path, tmp_path: Path) -> None:
    """The history folder ends at the cut; a folder that goes on gives the same graph."""
    for name in ("items", "interactions"):
        shutil.copy(tiny_source / f"{name}.parquet", tmp_path)
    shutil.copy(tiny_history / "items.parquet", tmp_path)
    later = build_graph(tmp_path, as_of=CUT)
    assert later.digest() == build_graph(tiny_history, as_of=CUT).digest()


def test_any_number_of_threads_gives_the_same_graph(tiny_history: Path) -> None:
    digests = {
        build_graph(tiny_history, as_of=CUT, engine=Engine(threads=threads)).digest()
        for threads in (1, 2, 4)
    }
    assert len(digests) == 1


def test_order_of_events_does_not_matter(tiny_history: Path, tmp_path: Path) -> None:
    events = pq.read_table(tiny_history / "interactions.parquet")
    order = np.random.default_rng(1).permutation(events.num_rows)
    pq.write_table(events.take(order), tmp_path / "interactions.parquet")
    shutil.copy(tiny_history / "items.parquet", tmp_path)
    shuffled = build_graph(tmp_path, as_of=CUT)
    assert shuffled.digest() == build_graph(tiny_history, as_of=CUT).digest()


@pytest.mark.parametrize("tail", ["", "\0", "\0\0", " ", "\n"])
def test_a_fold_left_out_is_as_if_its_users_never_were(
    tiny_history: Path, tmp_path: Path, tail: str
) -> None:
    chosen = Settings()
    events = pq.read_table(tiny_history / "interactions.parquet")
    ids = [f"{user}{tail}" for user in events.column("user_id").to_pylist()]
    events = events.set_column(0, events.schema.field("user_id"), pa.array(ids))
    whole, kept = tmp_path / "whole", tmp_path / "kept"
    for folder in (whole, kept):
        folder.mkdir()
        shutil.copy(tiny_history / "items.parquet", folder)
    pq.write_table(events, whole / "interactions.parquet")
    pq.write_table(
        events.filter(fold_of(ids, chosen.cross_fitting.folds) != 3), kept / "interactions.parquet"
    )
    without = build_graph(kept, as_of=CUT, **of_graph(chosen))
    left_out = build_graph(
        whole,
        as_of=CUT,
        **of_graph(chosen),
        leave_out_fold=3,
    )
    assert left_out.digest() == without.digest()
    assert left_out.digest() != build_graph(whole, as_of=CUT, **of_graph(chosen)).digest()


def test_reverse_relations_agree_before_top_k(tiny_history: Path) -> None:
    graph = build_graph(tiny_history, as_of=CUT, graph=GraphSettings(top_k=1000))
    name = ("podcast", CO_LISTENED, "audiobook")
    there, back = graph.relations[name], graph.relations[name[::-1]]
    assert there.num_edges > 0
    forward = set(zip(there.rows, there.indices, there.weights, strict=True))
    assert forward == set(zip(back.indices, back.rows, back.weights, strict=True))


def test_co_listened_items_share_a_taste(tiny_history: Path) -> None:
    """Effect: the planted tastes (even and odd numbers) show in the weights."""
    graph = build_graph(tiny_history, as_of=CUT)
    relation = graph.relations["audiobook", "co_listened", "audiobook"]
    same = relation.rows % 2 == relation.indices % 2
    assert relation.weights[same].sum() > 2 * relation.weights[~same].sum()


def test_a_heavy_user_counts_no_more_than_others(tmp_path: Path) -> None:
    """Eight items of one user hang together less than two of another."""
    heavy = [("heavy", f"a{number}", "stream", START) for number in range(8)]
    light = [("light", "a8", "stream", START), ("light", "a9", "stream", START)]
    history = write_history(tmp_path, [f"a{number}" for number in range(10)], [], heavy + light)
    relation = build_graph(history, as_of=CUT).relations["audiobook", CO_LISTENED, "audiobook"]
    per_item = np.add.reduceat(relation.weights, relation.indptr[:-1])
    np.testing.assert_allclose(per_item, 1, atol=1e-5)
    assert relation.weights.max() == 1
    assert relation.weights.min() == pytest.approx(1 / 7, abs=1e-6)


def test_bad_calls_say_what_to_do(tiny_history: Path, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="no time zone"):
        build_graph(tiny_history, as_of=CUT.replace(tzinfo=None))
    with pytest.raises(GraphError, match="no fold 5"):
        build_graph(tiny_history, as_of=CUT, leave_out_fold=5)
    with pytest.raises(GraphError, match="No interactions"):
        build_graph(tmp_path, as_of=CUT)


def test_a_history_without_events_is_a_graph_without_edges(tmp_path: Path) -> None:
    history = write_history(tmp_path, BOOKS, SHOWS, [])
    graph = build_graph(history, as_of=datetime(2030, 1, 1, tzinfo=UTC))
    assert (graph.num_edges, graph.num_items) == (0, 7)


@pytest.mark.slow
def test_spark_gives_the_same_graph(many_events: Path, tmp_path: Path, spark: Any) -> None:
    """One expression, two engines: equal digests of 300,000 events, and of fewer in every way to
    weigh them."""
    chosen = Settings(
        graph=GraphSettings(max_items_per_user=6, top_k=9, min_colisteners=2, window_days=2000)
    )
    fewer_events = some_events(tmp_path / "fewer", 10_000, 200)
    for events, fold, weights, half_life in (
        (many_events, None, "user_share", None),
        (fewer_events, 1, "colisteners", 30.0),
        (fewer_events, None, "cosine", None),
        (fewer_events, None, "lift", 30.0),
    ):
        changes = {"weights": weights, "half_life_days": half_life}
        graph = chosen.graph.model_copy(update=changes)
        settings_ = chosen.model_copy(update={"graph": graph})
        on_spark = build_graph_on(
            spark,
            events,
            as_of=LATE,
            **of_graph(settings_),
            leave_out_fold=fold,
        )
        on_duckdb = build_graph(
            events,
            as_of=LATE,
            **of_graph(settings_),
            leave_out_fold=fold,
        )
        assert on_duckdb.num_edges > 5_000
        assert on_spark.digest() == on_duckdb.digest()
