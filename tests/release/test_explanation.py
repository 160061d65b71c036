"""Why a title: ways through the release's own graph, none of them invented."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import ReleaseCorrupt
from colisten.features.users import UserBatch
from colisten.graph.build import build_graph
from colisten.graph.graph import CoListeningGraph
from colisten.release.explanation import NEAREST, explained
from colisten.release.loaded import LoadedRelease
from colisten.release.neighbours import ITEMS, STRENGTHS, ItemNeighbours
from colisten.release.payload import bind_payload, copy_payload
from colisten.settings.tree import Settings
from tests.conftest import CUT, FIELDS
from tests.graph.sections import of_graph
from tests.release.payloads import Parts, make_parts

EACH = 4


@pytest.fixture(scope="module")
def parts(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return make_parts(tmp_path_factory.mktemp("parts"), tiny_history, CUT)


@pytest.fixture(scope="module")
def graph(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> CoListeningGraph:
    made = build_graph(parts.history, as_of=CUT, **of_graph(Settings()))
    made.save(tmp_path_factory.mktemp("graph") / "graph")
    return made


@pytest.fixture(scope="module")
def release(
    parts: Parts, graph: CoListeningGraph, tmp_path_factory: pytest.TempPathFactory
) -> LoadedRelease:
    folder = tmp_path_factory.mktemp("release")
    graph.save(folder / "graph")
    payload = parts.payload(folder / "payload", graph=folder / "graph", neighbours=EACH)
    return published(payload, folder / "release")


def published(payload: Path, folder: Path) -> LoadedRelease:
    manifest = bind_payload(payload)
    folder.mkdir()
    copy_payload(payload, folder, manifest)
    return LoadedRelease.load(folder)


def edges(graph: CoListeningGraph, item: int) -> dict[int, float]:
    """Neighbours of an item of the whole graph, by catalogue index, read edge by edge."""
    found: dict[int, float] = {}
    for (source, _, destination), relation in graph.relations.items():
        own = graph.slice_of(destination)
        if own.start <= item < own.stop:
            first = graph.slice_of(source).start
            row = slice(*relation.indptr[item - own.start : item - own.start + 2])
            pairs = zip(relation.indices[row], relation.weights[row], strict=True)
            found |= {int(near) + first: float(strength) for near, strength in pairs}
    return found


def test_a_release_holds_the_strongest_edges_of_what_it_recommends(
    release: LoadedRelease, graph: CoListeningGraph
) -> None:
    neighbours, target = release.neighbours, release.target
    assert neighbours is not None
    assert neighbours.items.shape == (target.stop - target.start, 2 * EACH)
    for at in range(target.start, target.stop):
        whole = edges(graph, at)
        expected: list[int] = []
        for kind in ("audiobook", "podcast"):
            own = [near for near in whole if release.item_types[near] == kind]
            expected += sorted(own, key=lambda near: (-whole[near], near))[:EACH]
        expected.sort(key=lambda near: (-whole[near], near))
        row = neighbours.items[at - target.start].tolist()
        assert [near for near in row if near >= 0] == expected
        strengths = neighbours.strengths[at - target.start][: len(expected)]
        assert strengths.tolist() == [pytest.approx(whole[near]) for near in expected]


def test_a_way_begins_with_what_the_user_did_and_follows_edges(
    release: LoadedRelease, graph: CoListeningGraph, parts: Parts
) -> None:
    batch = UserBatch.from_table(parts.rows, release.index_of, FIELDS)
    vectors = release.user_vectors(batch)
    titles = list(range(release.target.start, release.target.stop))
    found = direct = 0
    for row in range(len(batch)):
        did = {
            (int(item), release.spec.signals[signal])
            for history in batch.histories.values()
            for events in [slice(history.offsets[row], history.offsets[row + 1])]
            for item, signal in zip(history.items[events], history.signals[events], strict=True)
        }
        for title, one in zip(
            titles, explained(release, batch, vectors[row], titles, row=row), strict=True
        ):
            assert {(near.item, near.signal) for near in one.nearest} <= did
            assert title not in {near.item for near in one.nearest}
            if one.way is None:
                continue
            found += 1
            assert (one.way.item, one.way.signal) in did
            assert one.way.item != title
            if one.way.via is None:
                direct += 1
                assert one.way.item in edges(graph, title)
            else:
                assert one.way.via in edges(graph, title)
                assert one.way.item in edges(graph, one.way.via)
                assert one.way.via not in {item for item, _ in did}
    assert direct > 100
    assert found - direct > 20


def test_the_nearest_of_a_history_come_first(release: LoadedRelease, parts: Parts) -> None:
    batch = UserBatch.from_table(parts.rows, release.index_of, FIELDS)
    title, row = release.target.start + 1, 1  # both of the odd taste
    (one,) = explained(release, batch, release.user_vectors(batch)[row], [title], row=row)
    own = {
        int(item)
        for history in batch.histories.values()
        for item in history.items[history.offsets[row] : history.offsets[row + 1]]
    } - {title}
    vectors = release.history_vectors
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = {
        item: float(vectors[title] @ vectors[item]) / max(lengths[title] * lengths[item], 1e-9)
        for item in own
    }
    best = sorted(cosines, key=lambda item: -cosines[item])[:NEAREST]
    assert [near.item for near in one.nearest] == best
    assert [near.similarity for near in one.nearest] == pytest.approx(
        [cosines[item] for item in best], abs=1e-5
    )


def test_of_two_ways_the_one_whose_weakest_edge_is_strongest(release: LoadedRelease) -> None:
    first, count = release.target.start, release.target.stop - release.target.start
    heard, other = release.target.stop, release.target.stop + 1  # two podcasts
    items, strengths = np.full((count, 2), -1, np.int32), np.zeros((count, 2), np.float32)
    items[0], strengths[0] = (first + 1, first + 2), (9.0, 5.0)  # the title, and both between
    items[1], strengths[1] = (heard, -1), (1.0, 0.0)
    items[2], strengths[2] = (other, -1), (4.0, 0.0)
    planted = replace(release, neighbours=ItemNeighbours(items, strengths))
    assert way(planted, [heard, other], first) == (other, first + 2)
    assert way(planted, [heard], first) == (heard, first + 1)
    assert way(planted, [first + 2, heard], first) == (first + 2, None)
    # What it is about is no reason for itself.
    assert way(planted, [first], first) is None
    assert way(planted, [], first) is None
    assert way(replace(release, neighbours=None), [heard, other], first) is None


def way(release: LoadedRelease, heard: list[int], title: int) -> tuple[int, int | None] | None:
    from colisten.features.users import History

    none = History.empty(1)
    history = History(
        np.array([0, len(heard)]),
        np.array(heard, dtype=np.int64),
        np.zeros(len(heard), np.int8),
        np.arange(len(heard)),
    )
    batch = UserBatch(
        user_ids=np.array(["u"], dtype=object),
        countries=np.array([None], dtype=object),
        ages=np.full(1, np.nan, np.float32),
        music=np.full((1, 4), np.nan, np.float32),
        histories={"audiobook": none, "podcast": history},
    )
    vector = np.zeros(release.item_vectors.shape[1], np.float32)
    (one,) = explained(release, batch, vector, [title])
    return None if one.way is None else (one.way.item, one.way.via)


def test_towers_that_do_not_tell_parts_apart_give_none(
    release: LoadedRelease, parts: Parts
) -> None:
    """The parts' towers are made by hand, and their specification names no members."""
    batch = UserBatch.from_table(parts.rows, release.index_of, FIELDS)
    assert release.layout is None
    (one,) = explained(release, batch, release.user_vectors(batch)[0], [release.target.start])
    assert one.parts is None


def test_a_release_made_without_them_holds_none(parts: Parts, tmp_path: Path) -> None:
    payload = parts.payload(tmp_path / "payload")
    assert not list(payload.glob("neighbour*"))
    assert published(payload, tmp_path / "release").neighbours is None


@pytest.mark.parametrize(
    "broken",
    [
        np.full((3, 2), -1, np.int32),
        np.full((40, 2 * EACH), 100, np.int32),
        np.full((40, 2 * EACH), -2, np.int32),
        np.full((40, 2 * EACH), 1, np.int64),
        np.full(40, 1, np.int32),
    ],
)
def test_neighbours_of_another_catalogue_are_refused(
    release: LoadedRelease, tmp_path: Path, broken: np.ndarray
) -> None:
    shutil.copytree(release.folder, tmp_path / "copy")
    np.save(tmp_path / "copy" / ITEMS, broken)
    with pytest.raises(ReleaseCorrupt, match="not of its catalogue"):
        LoadedRelease.load(tmp_path / "copy", verify=False)


def test_unreadable_neighbours_are_refused(release: LoadedRelease, tmp_path: Path) -> None:
    shutil.copytree(release.folder, tmp_path / "copy")
    (tmp_path / "copy" / STRENGTHS).write_bytes(b"\x93NUMPY")
    with pytest.raises(ReleaseCorrupt, match="Cannot read neighbours"):
        LoadedRelease.load(tmp_path / "copy", verify=False)
