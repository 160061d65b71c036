"""Why a title is on a shelf, and how probable its start is, as an answer says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import colisten
from colisten.evaluation.score_rule import Activity
from colisten.release.explanation import Explained, Way, explained
from colisten.release.loaded import Because, LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.serving import recommender
from colisten.serving.answers import Shelf
from colisten.serving.environment import Environment
from colisten.serving.explanation import Phrases, as_answer
from colisten.serving.requests import RecommendRequest, SimilarRequest
from colisten.serving.runtime import Runtime
from colisten.settings.sections import ServingSettings
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.serving.conftest import Home

SETTINGS = load_settings(None, ("index.backend=exact",))
PHRASES = Phrases(ServingSettings().reasons, "heard")
USERS = ("u0001", "u0005", "u0010", "u0021", "u0032")


@pytest.fixture(scope="module")
def runtime(home: Home) -> Iterator[Runtime]:
    opened = Runtime.open(Environment(home.folder, SETTINGS))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def release(home: Home) -> LoadedRelease:
    return ReleaseStore(home.folder).load_live()


@pytest.fixture(scope="module")
def did(tiny_history: Path) -> dict[str, set[tuple[str, str]]]:
    """By user what they did, as (item, signal), straight from the events."""
    found: dict[str, set[tuple[str, str]]] = {}
    for each in pq.read_table(tiny_history / "interactions.parquet").to_pylist():
        if each["timestamp"] < CUT:
            found.setdefault(each["user_id"], set()).add((each["item_id"], each["signal"]))
    return found


def asked(runtime: Runtime, user: str, **more: object) -> Shelf:
    request = {"user_id": user, "k": 12, **more}
    return runtime.recommend(RecommendRequest.model_validate(request))


def test_it_is_found_where_it_was_asked_for_alone(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nobody asked")

    with monkeypatch.context() as patch:
        patch.setattr(recommender, "explained", refuse)
        plain = asked(runtime, "u0001")
    assert plain.how.vector == "two_tower"
    assert {item.explanation for item in plain.items} == {None}
    told = asked(runtime, "u0001", explain=True)
    assert all(item.explanation is not None for item in told.items)
    assert [item.item_id for item in told.items] == [item.item_id for item in plain.items]


@pytest.mark.parametrize("user", USERS)
def test_everything_in_it_is_so(
    runtime: Runtime, did: dict[str, set[tuple[str, str]]], user: str
) -> None:
    shelf = asked(runtime, user, explain=True)
    assert shelf.how.vector == "two_tower"
    ways = 0
    for item in shelf.items:
        why = item.explanation
        assert why is not None
        assert why.parts is not None
        together = why.parts.taste + why.parts.popularity + why.parts.similarity
        assert together == pytest.approx(item.inner_product, abs=1e-6)
        assert why.nearest
        for near in why.nearest:
            assert (near.item_id, near.signal) in did[user]
            assert 0 < near.similarity <= 1
        if why.path is None:
            assert why.text is None
            continue
        ways += 1
        first, *between, last = why.path
        assert (first.item_id, first.signal) in did[user]
        assert last.item_id == item.item_id
        assert len(between) <= 1
        # The title itself may be one that they did something with and have not started.
        assert not {each.item_id for each in between} & {one for one, _ in did[user]}
        assert {each.signal for each in (*between, last)} == {None}
        assert why.text is not None
        assert why.text.startswith(f"{PHRASES.reasons[first.signal or '']} {first.title}, often")
        assert all(each.title is not None and each.title in why.text for each in between)
    assert ways


def test_what_the_request_says_is_a_beginning_and_nothing_else(runtime: Runtime) -> None:
    """A stranger of whom the store knows nothing."""
    history = [{"item_id": name, "signal": "follow"} for name in ("p001", "p003", "p007")]
    request = RecommendRequest.model_validate({"history": history, "k": 12, "explain": True})
    shelf = runtime.recommend(request)
    named = set()
    for item in shelf.items:
        assert item.explanation is not None
        named |= {(near.item_id, near.signal) for near in item.explanation.nearest}
        if item.explanation.path is not None:
            named.add((item.explanation.path[0].item_id, item.explanation.path[0].signal or ""))
    assert named
    assert named <= {(name, "follow") for name in ("p001", "p003", "p007")}


@pytest.mark.parametrize("user", USERS)
def test_a_score_is_what_the_release_says_of_the_inner_product(
    runtime: Runtime, release: LoadedRelease, home: Home, user: str
) -> None:
    assert release.calibration is not None
    shelf = asked(runtime, user)
    scores = [item.score or 0.0 for item in shelf.items]
    assert all(0 < score < 1 for score in scores)
    assert scores == sorted(scores, reverse=True)
    batch = colisten.load_release(home.folder)._batch(user)
    vector = release.user_vectors(batch)
    rows = release.index_of([item.item_id for item in shelf.items]) - release.target.start
    every = release.layout.logits(vector @ release.item_vectors.T, vector)  # type: ignore[union-attr]
    logits = every[:, rows] - np.log(np.exp(every).sum())
    wanted = release.calibration.rule.probabilities(logits, Activity.of(batch, "audiobook"))
    assert scores == pytest.approx(wanted[0].tolist(), rel=1e-4)
    inner = [item.inner_product for item in shelf.items]
    assert inner == pytest.approx((release.item_vectors[rows] @ vector[0]).tolist(), abs=1e-5)
    mine = colisten.load_release(home.folder).recommend(user, k=12)
    assert [each.score for each in mine] == pytest.approx(scores, rel=1e-4)
    listed = colisten.load_release(home.folder).explain(user, mine[0].item_id)
    assert listed.score == pytest.approx(mine[0].score, rel=1e-4)


def test_popular_and_similar_titles_have_neither_score_nor_explanation(runtime: Runtime) -> None:
    popular = asked(runtime, "nobody", explain=True)
    assert popular.how.vector == "popular"
    similar = runtime.similar(SimilarRequest(item_id="p001", k=5))
    for item in (*popular.items, *similar.items):
        assert item.score is None
        assert item.explanation is None
    assert {item.inner_product for item in popular.items} == {None}
    assert all(item.inner_product is not None for item in similar.items)


def test_a_release_of_before_answers_without(home: Home, release: LoadedRelease) -> None:
    older = colisten.load_release(home.folder, home.ids[1])
    assert older.loaded.neighbours is None
    items = older.recommend("u0001", k=5)
    assert [each.score for each in items] == [None] * 5
    assert all(each.inner_product is not None for each in items)
    batch = older._batch("u0001")
    places = older.loaded.index_of([each.item_id for each in items]).tolist()
    for one in explained(older.loaded, batch, older.loaded.user_vectors(batch)[0], places):
        assert one.way is None
        assert one.nearest
        assert one.parts is not None


def test_an_explanation_that_fails_costs_no_shelf(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommender, "as_answer", None)
    shelf = asked(runtime, "u0001", explain=True)
    assert shelf.how.vector == "two_tower"
    assert shelf.how.fallbacks == ["explanation_error"]
    assert len(shelf.items) == 12
    assert {item.explanation for item in shelf.items} == {None}


def test_titles_and_signals_without_words(release: LoadedRelease) -> None:
    target, podcast = release.target.start, release.target.stop
    why = Explained(Way(podcast, "stream", target + 1), (Because(podcast, "stream", 0.5),), None)

    def text(**changes: object) -> str | None:
        return as_answer(replace(release, **changes), target, why, PHRASES).text  # type: ignore[arg-type]

    titles = release.titles.copy()
    assert text() == (
        f"you listened to {titles[podcast]}, often heard by those who heard {titles[target + 1]}, "
        "who also heard this"
    )
    for unknown in (podcast, target + 1):
        without = titles.copy()
        without[unknown] = None
        assert text(titles=without) is None
    told = as_answer(replace(release, titles=np.full(len(titles), None)), target, why, PHRASES)
    assert told.path is not None
    assert [each.item_id for each in told.path] == [
        release.item_ids[at] for at in (podcast, target + 1, target)
    ]
    neutral = as_answer(release, target, why, Phrases({}, "read"))
    assert neutral.text is not None
    assert neutral.text.startswith(f"you know {titles[podcast]}, often read by those")
    direct = as_answer(release, target, Explained(Way(podcast, "follow", None), (), None), PHRASES)
    assert direct.text == f"you follow {titles[podcast]}, often heard by those who also heard this"
