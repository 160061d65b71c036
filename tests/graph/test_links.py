"""Links of the table: both ways, point in time, beside what listeners tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import GraphError
from colisten.graph.build import build_graph
from colisten.graph.graph import CoListeningGraph
from colisten.graph.links import ALWAYS
from colisten.settings.tree import Settings, load_settings
from colisten.training.hgnn import embed_catalogue, train_hgnn
from tests.conftest import CUT, START
from tests.graph.histories import Link, write_tables
from tests.graph.sections import of_graph, of_hgnn

ITEMS = {"audiobook": ["a1", "a2", "a3", "a4"], "podcast": ["p1", "p2"]}
EVENTS = [
    (user, item, "stream", START + timedelta(days=day))
    for day, (user, item) in enumerate(
        (user, item) for user in ("u1", "u2", "u3") for item in ("a1", "a2", "p1")
    )
]
SINCE = START + timedelta(days=3)
LINKS: list[Link] = [
    ("a3", "a1", "same author", None),
    ("a1", "a3", "same author", SINCE),
    ("a1", "p2", "same author", SINCE),
    ("a1", "a4", "same author", CUT),
    ("a1", "a1", "same author", None),
    ("a1", "gone", "same author", None),
    ("p1", "p2", "episode of", None),
]


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def small(*overrides: str) -> Settings:
    return load_settings(
        None, ("threads=1", "hgnn.dim=4", "hgnn.max_steps=3", "cross_fitting.folds=2", *overrides)
    )


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(
        tmp_path_factory.mktemp("linked"),
        ITEMS,
        EVENTS,
        LINKS,
        published={"p2": SINCE + timedelta(days=1)},
    )


def links_of(graph: CoListeningGraph) -> dict[tuple[str, str, str], list[tuple[int, int, int]]]:
    return {
        name: [
            (int(row), int(near), int(moment))
            for row, near, moment in zip(each.rows, each.indices, each.times, strict=True)
        ]
        for name, each in graph.relations.items()
        if name[1] != "co_listened" and each.times is not None
    }


def test_links_join_both_ways_from_the_latest_of_their_moments(history: Path) -> None:
    graph = build_graph(history, as_of=CUT, **of_graph(small()))
    later = micros(SINCE + timedelta(days=1))
    assert links_of(graph) == {
        ("audiobook", "same author", "audiobook"): [(0, 2, ALWAYS), (2, 0, ALWAYS)],
        ("podcast", "same author", "audiobook"): [(0, 1, later)],
        ("audiobook", "same author", "podcast"): [(1, 0, later)],
        ("podcast", "episode of", "podcast"): [(0, 1, later), (1, 0, later)],
    }
    linked = [each for name, each in graph.relations.items() if name[1] != "co_listened"]
    assert len(linked) == 4
    assert all((each.weights == 1).all() for each in linked)
    assert graph.summary()["isolated"] == {"audiobook": 1, "podcast": 0}


def test_what_listeners_tell_is_as_without_links(history: Path, tmp_path: Path) -> None:
    bare = write_tables(tmp_path, ITEMS, EVENTS)
    graph, other = (
        build_graph(folder, as_of=CUT, **of_graph(small())) for folder in (history, bare)
    )
    assert {name for name in graph.relations if name[1] == "co_listened"} == set(other.relations)
    counted = replace(graph, relations={name: graph.relations[name] for name in other.relations})
    assert counted.digest() == other.digest() != graph.digest()


def test_nothing_is_linked_before_its_moment(history: Path) -> None:
    early = build_graph(history, as_of=SINCE, **of_graph(small()))
    assert set(links_of(early)) == {("audiobook", "same author", "audiobook")}
    cut = build_graph(history, as_of=CUT, **of_graph(small())).before(micros(SINCE))
    assert {name: found for name, found in links_of(cut).items() if found} == links_of(early)


def test_a_fold_of_users_takes_no_link_away(history: Path) -> None:
    settings = small()
    whole = links_of(build_graph(history, as_of=CUT, **of_graph(settings)))
    for fold in (0, 1):
        graph = build_graph(
            history,
            as_of=CUT,
            **of_graph(settings),
            leave_out_fold=fold,
        )
        assert links_of(graph) == whole


@pytest.mark.parametrize(
    ("links", "names"),
    [
        ("null", {"same author", "episode of"}),
        ("[episode of]", {"episode of"}),
        ("[episode of, same series]", {"episode of"}),
        ("[]", set()),
    ],
)
def test_settings_say_which_links_count(history: Path, links: str, names: set[str]) -> None:
    graph = build_graph(history, as_of=CUT, **of_graph(small(f"graph.links={links}")))
    assert {name[1] for name in links_of(graph)} == names


def test_a_link_is_not_called_as_what_is_counted(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, ITEMS, EVENTS, [("a1", "a2", "co_listened", None)])
    with pytest.raises(GraphError, match="counts listeners"):
        build_graph(folder, as_of=CUT, **of_graph(small()))


@pytest.mark.parametrize("supervised", ["[co_listened]", "null"])
def test_a_title_that_nobody_has_heard_hears_its_author(
    history: Path, tmp_path: Path, supervised: str
) -> None:
    """a3 has no listener; a vector of its own text alone would not follow the text of a1."""
    settings = small(f"hgnn.supervised={supervised}", "hgnn.validation=random")
    graph = build_graph(history, as_of=CUT, **of_graph(settings))
    text = np.random.default_rng(0).normal(size=(graph.num_items, 6)).astype(np.float32)
    model = train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "hgnn",
    ).model
    moved = text.copy()
    moved[0] = -moved[0]
    vectors, other = (embed_catalogue(model, graph, each) for each in (text, moved))
    assert not np.allclose(vectors[2], other[2])
    np.testing.assert_array_equal(vectors[3], other[3])
