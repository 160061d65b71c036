"""The page's files and routes by themselves: nothing from elsewhere, nothing shown unasked."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from colisten.index.filter import ARROW_TYPES, FilterColumns
from colisten.serving.app import build_app
from colisten.serving.environment import Environment
from colisten.serving.launch import with_page
from colisten.serving.page.offers import MOST_VALUES, TitleSearch, described
from colisten.serving.page.routes import POLICY, page_files
from colisten.settings.sections import ServingSettings
from colisten.settings.tree import load_settings

FILES = {name: page.content.decode() for name, page in page_files().items()}
SVG = "http://www.w3.org/2000/svg"
TITLES = st.lists(st.none() | st.text("aBß Ii\n.é", max_size=6), min_size=1, max_size=8)


def client(**serving: object) -> TestClient:
    return TestClient(build_app(ServingSettings(**serving)), follow_redirects=False)


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_no_other_place_and_makes_no_markup_of_text(name: str) -> None:
    text = FILES[name].replace(SVG, "")
    assert not re.findall(r"https?:|//[a-z0-9-]+\.[a-z]|url\(|@import", text)
    makers = (
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|srcdoc|DOMParser"
    )
    assert not re.findall(makers, text)
    # What the policy refuses: scripts, styles and handlers inside markup.
    assert not re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=\"", text)
    assert text.count("\n") <= 400


def test_every_file_is_asked_for_by_the_page_and_every_one_asked_for_is_there() -> None:
    wanted = set(re.findall(r'"page/([\w.]+)"', FILES["index.html"]))
    wanted |= set(re.findall(r'from "\./([\w.]+)"', "".join(FILES.values())))
    assert wanted == set(FILES) - {"index.html", "docs.html"}


def test_the_page_has_the_policy_and_is_asked_for_again_only_where_it_changed() -> None:
    page = client(page=True)
    answer = page.get("/")
    assert (answer.status_code, answer.text) == (200, FILES["index.html"])
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    script = page.get("/page/page.js")
    assert script.headers["content-type"].startswith("text/javascript")
    tag = {"If-None-Match": script.headers["etag"]}
    assert page.get("/page/page.js", headers=tag).status_code == 304
    assert page.get("/page/no.js").status_code == 404
    assert page.head("/").status_code == 200


def test_where_the_page_is_off_the_documentation_of_the_api_is_left() -> None:
    for off in (client(page=False), client()):
        answer = off.get("/")
        assert (answer.status_code, answer.headers["location"]) == (307, "docs")
        assert off.get("/docs").status_code == 200
        assert off.get("/page/page.js").status_code == 404
        assert off.get("/page/about").status_code == 404
        assert off.post("/page/titles", json={"text": "a"}).status_code == 404
        assert off.post("/page/history", json={"user_id": "u"}).status_code == 404


def test_a_history_is_shown_only_where_somebody_said_so() -> None:
    answer = client(page=True).post("/page/history", json={"user_id": "u0001"})
    assert answer.status_code == 404
    assert "serving.page_history" in answer.text
    refused = client(page=True, page_history=True).post("/page/history", json={"user": "u0001"})
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        *(("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)),
        *(("::", False), ("10.1.2.3", False), ("my-host", False)),
    ],
)
def test_without_a_word_the_page_is_shown_to_this_machine_alone(host: str, shown: bool) -> None:
    def page(*overrides: str) -> bool | None:
        environment = Environment(Path("out"), load_settings(None, overrides))
        there = Environment.read({**with_page(environment, host).variables(), "COLISTEN_HOME": "."})
        return there.settings.serving.page

    assert page() is shown
    assert page("serving.page=true") is True
    assert page("serving.page=false") is False


@given(TITLES, st.text("aBß Ii\n.é", max_size=3), st.integers(1, 9))
def test_titles_are_found_as_one_by_one(titles: list[str | None], wanted: str, most: int) -> None:
    def folded(text: str) -> str:
        return text.casefold().replace("\n", " ")

    part = folded(wanted).strip()
    there = [at for at, one in enumerate(titles) if part and one and part in folded(one)]
    assert TitleSearch(titles).find(wanted, most) == there[:most]


def test_columns_are_described_by_what_is_in_them() -> None:
    words = [f"w{at:03}" for at in range(MOST_VALUES + 1)]
    moments = pa.array([None] * 4, ARROW_TYPES["moment"])
    columns = FilterColumns(
        pa.table(
            {
                "language": ["sv", "de", "sv", None],
                "genres": [["crime", "noir"], ["noir"], None, words],
                "minutes": [3.5, None, 9.0, 4.0],
                "published_at": moments,
            }
        )
    )
    language, genres, minutes, published = described(columns)
    assert [(one.value, one.items) for one in language.values] == [("sv", 2), ("de", 1)]
    assert (genres.values[0].value, genres.values[0].items) == ("noir", 2)
    assert (len(genres.values), genres.more) == (MOST_VALUES, True)
    assert (minutes.min, minutes.max, minutes.kind) == (3.5, 9.0, "number")
    assert (published.min, published.max) == (None, None)


def colours(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text))


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG 2."""

    def light(colour: str) -> float:
        parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05

    high, low = sorted((light(one), light(other)), reverse=True)
    return high / low


def test_every_text_can_be_read_in_the_light_and_in_the_dark() -> None:
    light, dark = FILES["page.css"].split("@media screen", 1)
    for theme in (colours(light), {**colours(light), **colours(dark.split("}")[0])}):
        pairs = [
            (ink, ground)
            for ink in ("ink", "soft", "own", "warn", "bad")
            for ground in ("paper", "card")
        ]
        for ink, ground in [*pairs, ("own-ink", "own"), ("bad", "bad-wash")]:
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
    palettes = re.findall(
        r'^  \["(#\w{6})", \[.*\], "(#\w{6})"\],$', FILES["cover.js"], re.MULTILINE
    )
    assert len(palettes) == 12
    for ground, ink in palettes:
        assert contrast(ground, ink) >= 4.5, ground
