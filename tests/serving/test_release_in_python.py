"""`colisten.load_release` says in Python what the service says over HTTP."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import colisten
from colisten.data import parquet
from colisten.data.moments import from_microseconds
from colisten.errors import (
    ColistenError,
    ConfigError,
    FeatureError,
    FilterRefused,
    ReleaseNotFound,
    VectorIndexError,
)
from colisten.release.front import Release
from colisten.serving.answers import ShelfItem
from colisten.serving.environment import Environment
from colisten.serving.requests import RecommendRequest, SimilarRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.serving.conftest import Home

pytestmark = pytest.mark.slow

SETTINGS = load_settings(
    None, ("index.backend=exact", "serving.features_budget_ms=20000", "serving.follow_seconds=60")
)
USERS = ("u0000", "u0001", "u0005", "u0031", "nobody")


@pytest.fixture(scope="module")
def runtime(home: Home) -> Iterator[Runtime]:
    opened = Runtime.open(Environment(home.folder, SETTINGS))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def release(home: Home) -> Release:
    return colisten.load_release(home.folder)


def rows(items: list[ShelfItem]) -> list[tuple[int, str, str | None, str | None]]:
    return [(item.rank, item.item_id, item.title, item.why) for item in items]


def values(items: list[colisten.Recommendation]) -> list[tuple[int, str, str | None, str | None]]:
    return [(each.rank, each.item_id, each.title, each.why) for each in items]


@pytest.mark.parametrize("user", USERS)
def test_a_shelf_is_that_of_the_service(runtime: Runtime, release: Release, user: str) -> None:
    answer = runtime.recommend(RecommendRequest(user_id=user, k=7))
    assert answer.how.search == ("popular" if user == "nobody" else "exact")
    assert values(release.recommend(user, k=7)) == rows(answer.items)
    german = runtime.recommend(RecommendRequest(user_id=user, k=7, language="de"))
    only = colisten.Filter(include={"language": ["de"]})
    assert values(release.recommend(user, k=7, filter=only)) == rows(german.items)


@pytest.mark.parametrize("item", ["a003", "p010", "p058", "p059"])
def test_similar_items_are_those_of_the_service(
    runtime: Runtime, release: Release, item: str
) -> None:
    answer = runtime.similar(SimilarRequest(item_id=item, k=6))
    assert values(release.similar(item, k=6)) == rows(answer.items)


def test_a_user_by_value_is_the_stored_one(release: Release, tiny_history: Path) -> None:
    wanted = release.recommend("u0005")
    people = parquet.read(tiny_history / "users.parquet").to_pylist()
    person = next(each for each in people if each["user_id"] == "u0005")
    music = {
        each["user_id"]: each["music_vector"]
        for each in parquet.read(tiny_history / "music.parquet").to_pylist()
    }
    events = [
        (each["item_id"], each["signal"], each["timestamp"])
        for each in parquet.read(tiny_history / "interactions.parquet").to_pylist()
        if each["user_id"] == "u0005" and each["timestamp"] < CUT
    ]
    known = colisten.User(
        [*reversed(events), ("of another catalogue", "stream", CUT)],
        person["country"],
        person["age"],
        music.get("u0005"),
    )
    assert values(release.recommend(known)) == values(wanted)
    for mine, theirs in zip(release.recommend(known), wanted, strict=True):
        assert mine.score == pytest.approx(theirs.score, abs=1e-6)


def test_an_explanation_agrees_with_the_shelf(release: Release) -> None:
    for listed in release.recommend("u0005", k=3):
        assert asdict(release.explain("u0005", listed.item_id)) == pytest.approx(asdict(listed))
    with pytest.raises(ReleaseNotFound, match="does not recommend 'p010'"):
        release.explain("u0005", "p010")
    with pytest.raises(FeatureError, match="Nothing is known"):
        release.explain("nobody", "a003")


def test_a_copied_release_answers_for_users_by_value(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.folder / "releases" / home.ids[1], tmp_path / "copy")
    release = colisten.load_release(tmp_path / "copy")
    assert release.release_id == home.ids[1]
    assert colisten.load_release(home.folder, home.ids[1]).release_id == home.ids[1]
    moment = from_microseconds(0).replace(year=2025)
    shelf = release.recommend(colisten.User([("a003", "stream", moment)], country="SE"), k=3)
    assert len(shelf) == 3
    assert "a003" not in {each.item_id for each in shelf}
    with pytest.raises(FeatureError, match=r"colisten\.User"):
        release.recommend("u0005")


@pytest.mark.parametrize(
    ("user", "more", "says"),
    [
        (colisten.User(country="SE"), {"k": 0}, "k is 0"),
        (colisten.User(), {"k": -1}, "k is -1"),
        (colisten.User(), {"k": True}, "k is True"),
        (colisten.User(), {"k": "3"}, "k is '3'"),
        (colisten.User(), {"filter": {"language": "de"}}, "is no filter"),
        (colisten.User(age="old"), {}, "does not fit"),  # type: ignore[arg-type]
        (colisten.User(music=[1.0]), {}, "music vectors"),
        (colisten.User([("a003",)]), {}, "does not fit"),  # type: ignore[list-item]
        (colisten.User([("a003", "stream", CUT.replace(tzinfo=None))]), {}, "no time zone"),
        (colisten.User([("a003", "steam", CUT)]), {}, "'stream'"),
        (7, {}, "7 is no user"),
    ],
)
def test_what_does_not_fit_is_an_error_of_ours(
    release: Release, user: Any, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(ColistenError, match=re.escape(says)):
        release.recommend(user, **more)


def test_what_cannot_be_answered_is_said(release: Release, tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="No release is live"):
        colisten.load_release(tmp_path)
    with pytest.raises(ReleaseNotFound, match=r"no item 'x'\. Take an item_id of"):
        release.similar("x")
    with pytest.raises(VectorIndexError, match="k is 0"):
        release.similar("a003", k=0)
    with pytest.raises(ConfigError, match="The cut '5' is no moment"):
        colisten.run("tables", 5, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(FilterRefused):
        release.recommend("u0005", filter=colisten.Filter(include={"narrator": ["Ann"]}))
