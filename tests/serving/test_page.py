"""The page at `/` as people meet it: a real service, a real Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.axe import barriers
from tests.browser import Browser, browser
from tests.feature_folders import live_features, online_db
from tests.hostile import VALUES
from tests.serving.conftest import Home, Service, start, stop
from tests.tab import Tab, tab

pytestmark = pytest.mark.slow

USER, OTHER, VISITOR = "u0001", "u0021", "a visitor & <i>friend</i>"
SHOWN = "[...document.querySelectorAll('#shelf .label .name')].map(e => e.textContent)"
SAID = "document.querySelector('#shelf-said').textContent"
# Titles come in one after the other, and a machine may be slow at it.
STILL = (
    "!document.querySelector('[aria-busy]')"
    " && document.getAnimations().every(each => each.playState == 'finished')"
)
FAULT = "document.querySelector('#fault').innerText"
STATE = "document.querySelector('#health').dataset.state"
# What the page does by itself every ten seconds, and when somebody comes back to it.
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"
READY = f"{STATE} == 'well' && document.querySelectorAll('#shelf li').length"


@pytest.fixture(scope="module")
def shown(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that lets its page show two users and histories."""
    started = start(
        home,
        tmp_path_factory.mktemp("page") / "log",
        f'serving.page_users=["{USER}", "{OTHER}"]',
        "serving.page_history=true",
    )
    yield started
    stop(started)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def ask(page: Tab, user_id: str) -> None:
    page.type("#user", user_id)
    page.press("Enter")
    title = json.dumps(user_id)
    page.until(f"document.querySelector('#shelf-title bdi').textContent == {title}")
    page.until(STILL)


@contextlib.contextmanager
def broken_features(home: Home) -> Iterator[None]:
    """No feature store can be read meanwhile."""
    store = online_db(live_features(home.folder))
    kept, broken = store.with_suffix(".kept"), store.with_suffix(".broken")
    shutil.copy(store, kept)
    broken.write_bytes(b"this is no database" * 1000)
    os.replace(broken, store)
    try:
        yield
    finally:
        os.replace(kept, store)


def strength(item: dict[str, Any]) -> str:
    if item["score"] is None:
        return f"score {item['inner_product']:.3f}"
    percent = 100 * item["score"]
    if percent < 0.001:
        return "chance < 0.001 %"
    digits = 3 - sum(percent >= edge for edge in (0.1, 1, 10))
    return f"chance {percent:.{digits}f} %"


def quiet(page: Tab, service: Service) -> bool:
    """Whether everything came from the service, and nothing was said or refused on the way."""
    page.run("0")
    elsewhere = [url for url in page.found.requests if not url.startswith(f"{service.url}/")]
    return not [*elsewhere, *page.found.said, *page.found.dialogs, *page.found.marks]


def test_looking_is_no_exposure(shown: Service, chromium: Browser) -> None:
    def taken() -> int:
        return int(shown.get("/v1/release").json()["log"]["exposures"]["taken"])

    before = taken()
    with tab(chromium, shown.url) as page:
        page.until(READY)
        ask(page, USER)
    assert taken() == before
    shown.post("/v1/recommend", user_id=USER, k=1)
    assert taken() == before + 1


def test_a_user_is_typed_and_their_shelf_is_shown(shown: Service, chromium: Browser) -> None:
    with tab(chromium, shown.url) as page:
        page.until(READY)
        ask(page, USER)
        answer = shown.post("/v1/recommend", user_id=USER, k=10, explain=True).json()
        assert page.run(SHOWN) == [item["title"] for item in answer["items"]]
        reasons = page.run("[...document.querySelectorAll('.reason')].map(e => e.textContent)")
        assert reasons == [item["why"] for item in answer["items"] if item["why"]]
        scores = page.run("[...document.querySelectorAll('.score')].map(e => e.textContent)")
        assert scores == [strength(item) for item in answer["items"]]
        made = page.text("#made")
        for part in (answer["release_id"], answer["arm"], "user tower", "features", "search", "ms"):
            assert part in made, part
        assert "vector index" in page.text(".rungs .here")
        first = answer["items"][0]
        assert (
            page.run("[...document.querySelectorAll('.way .name')].pop().textContent")
            == (first["title"])
        )
        for at, item in enumerate(answer["items"], 1):
            page.click(f"#shelf li:nth-child({at}) button")
            path = item["explanation"]["path"]
            drawn = page.run("[...document.querySelectorAll('.way .name')].map(e => e.textContent)")
            assert path is None or drawn == ["This listener", *(one["title"] for one in path)]
            parts = page.run("[...document.querySelectorAll('.shares b')].map(e => e.textContent)")
            assert parts == [
                f"{part:.3f}" for part in (item["explanation"]["parts"] or {}).values()
            ]
        assert any(item["explanation"]["path"] for item in answer["items"])
        events = shown.post("/page/history", user_id=USER).json()["events"]
        told = page.run("[...document.querySelectorAll('#events .name')].map(e => e.textContent)")
        assert told == [event["title"] for event in events]
        assert len(told) > 2
        offered = page.run("[...document.querySelectorAll('#users bdi')].map(e => e.textContent)")
        assert offered == [USER, OTHER]
        assert quiet(page, shown)


def test_an_event_changes_the_shelf(shown: Service, chromium: Browser) -> None:
    with tab(chromium, shown.url) as page:
        page.until(READY)
        ask(page, VISITOR)
        assert "Popular" in page.text(".rungs .here")
        before = page.run(SHOWN)
        page.run("document.querySelector('#why .actions button').focus()")
        page.press("Enter")
        said = page.until(f"{SAID}.startsWith('Stored: ') && {SAID}")
        assert "chosen for them" in said
        assert "new" in said
        after = page.run(SHOWN)
        assert before[0] not in after
        answer = shown.post("/v1/recommend", user_id=VISITOR, k=10).json()
        assert after == [item["title"] for item in answer["items"]]
        assert page.run("document.querySelectorAll('.change.new').length") == len(
            set(after) - set(before)
        )
        assert "user tower" in page.text(".rungs .here")
        assert page.text("#events .name") == before[0]
        assert quiet(page, shown)


def test_someone_new_says_what_they_heard_and_nothing_is_stored(
    shown: Service, chromium: Browser
) -> None:
    with tab(chromium, shown.url) as page:
        page.until(READY)
        unknown = page.run(SHOWN)
        page.click("input[value=new]")
        title = shown.post("/v1/recommend", user_id=USER, k=1).json()["items"][0]["title"]
        page.type("#heard", title[2:].upper())
        page.until("document.querySelectorAll('#heard-found li').length")
        assert title in page.text("#heard-found")
        page.click("#heard-found button")
        said = page.until(f"{SAID}.startsWith('With ') && {SAID}")
        assert "chosen for them" in said
        assert title not in page.run(SHOWN) != unknown
        assert page.text("#heard-list bdi") == title
        assert page.run("document.querySelector('#history').hidden")
        sent = [url for url in page.found.requests if url.endswith("/v1/events")]
        assert sent == []
        assert quiet(page, shown)


def test_filters_are_those_of_the_release(shown: Service, chromium: Browser) -> None:
    with tab(chromium, shown.url) as page:
        page.until(READY)
        ask(page, USER)
        page.click("#filters summary")
        page.run(
            "(e => { e.value = 'de'; e.dispatchEvent(new Event('change', {bubbles: true})); })"
            "(document.querySelector('[data-column=language]'))"
        )
        wanted = shown.post("/v1/recommend", user_id=USER, k=10, language="de").json()
        titles = [item["title"] for item in wanted["items"]]
        page.until(f"JSON.stringify({SHOWN}) == JSON.stringify({json.dumps(titles)})")
        assert "language" in page.text("#filters summary")


def test_what_is_refused_is_said_in_words(shown: Service, chromium: Browser) -> None:
    with tab(chromium, shown.url) as page:
        page.until(READY)
        page.press("Tab")
        page.click("button.main")
        assert page.text("#fault") == "Type a user's id first."
        page.type("#user", "x" * 70_000)
        page.press("Enter")
        fault = page.until(f"/does not take/.test({FAULT}) && {FAULT}")
        assert "user_id" in fault
        assert page.run("document.querySelector('#fault').getAttribute('role')") == "alert"
        # The service is as well as it was: a refusal is no outage.
        assert page.run(STATE) == "well"
        ask(page, USER)
        assert page.run("document.querySelector('#fault').hidden")


def test_hostile_values_are_shown_and_never_run(shown: Service, chromium: Browser) -> None:
    hostile = json.dumps(VALUES)
    with tab(chromium) as page:
        # Every text of every answer becomes a hostile one, as if the tables had held it.
        page.before(
            "const read = Response.prototype.json; let n = 0;"
            f"const values = {hostile};"
            "const bad = (one) => typeof one === 'string' ? values[n++ % values.length]"
            " : Array.isArray(one) ? one.map(bad) : one && typeof one === 'object'"
            " ? Object.fromEntries(Object.entries(one).map(([k, v]) => [k, bad(v)])) : one;"
            "Response.prototype.json = async function () { return bad(await read.call(this)); };"
        )
        page.open(shown.url)
        page.until("document.querySelectorAll('#shelf li').length")
        page.type("#user", USER)
        page.press("Enter")
        page.until("document.querySelectorAll('#events li').length")
        for at in range(1, 11):
            page.click(f"#shelf li:nth-child({at}) button")
        page.type("#did", "a")
        page.until("document.querySelectorAll('#did-found li').length")
        assert page.run("document.documentElement.scrollWidth") <= 1280
        assert not page.run(
            "[...document.documentElement.attributes].some(a => a.name.startsWith('data-ran'))"
        )
        kinds = page.run("[...new Set([...document.querySelectorAll('*')].map(e => e.nodeName))]")
        assert not {"IMG", "IFRAME", "BASE", "OBJECT"} & set(kinds)
        assert page.run("document.scripts.length") == 1
        links = page.run("[...document.querySelectorAll('a')].map(e => e.getAttribute('href'))")
        assert links == ["#shelf-title", "docs"]
        assert quiet(page, shown)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_nobody_is_kept_out(shown: Service, chromium: Browser, width: int, dark: bool) -> None:
    with tab(chromium, shown.url, width=width, dark=dark) as page:
        page.until(READY)
        ask(page, USER)
        page.click("#filters summary")
        assert barriers(page) == []
        assert page.run("document.documentElement.scrollWidth") <= width
        if width < 600:
            page.click("#shelf li:nth-child(2) button")
            assert page.run("document.querySelector('#sheet').open")
            assert barriers(page) == []
            page.press("Escape")
            page.until("!document.querySelector('#sheet').open")
            focus = "document.activeElement.closest('li')?.dataset.id"
            second = "document.querySelector('#shelf li:nth-child(2)').dataset.id"
            assert page.run(focus) == page.run(second)


def test_all_of_it_can_be_done_with_a_keyboard(shown: Service, chromium: Browser) -> None:
    here = "document.activeElement"
    with tab(chromium, shown.url) as page:
        page.until(READY)
        passed = []
        for _ in range(8):
            page.press("Tab")
            passed.append(page.run(f"({here}.id || {here}.name || {here}.innerText).trim()"))
        named = ["Skip to the shelf", "API", "whom", "user", "Show the shelf", USER, OTHER]
        assert passed[:7] == named
        assert passed[7].startswith("Filters")
        page.press("Enter")
        assert page.run("document.querySelector('#filters').open")
        ask(page, USER)
        page.run("document.querySelector('#shelf li:nth-child(2) button').focus()")
        page.press("Tab")
        page.press(" ")
        assert page.run(f"{here}.ariaPressed") == "true"
        assert page.run(f"{SHOWN}[2]") in page.run(
            "document.querySelector('#why button').ariaLabel"
        )
        assert page.run("document.querySelector('#shelf-said').getAttribute('role')") == "status"


def test_nobody_is_listed_and_no_history_shown_unasked(service: Service, chromium: Browser) -> None:
    with tab(chromium, service.url) as page:
        page.until(READY)
        assert page.run("document.querySelector('#users').hidden")
        ask(page, USER)
        page.until("document.querySelector('#history-said').textContent")
        assert "serving.page_history" in page.text("#history")
        assert page.run("document.querySelectorAll('#events li').length") == 0
        assert not [url for url in page.found.requests if url.endswith("history")]


def test_an_outage_never_looks_healthy(shown: Service, home: Home, chromium: Browser) -> None:
    """The last of this file: it ends the service."""
    with tab(chromium, shown.url) as page:
        page.until(READY)
        ask(page, USER)
        with broken_features(home):
            page.until(f"({LOOK}, {STATE} == 'worse')")
            assert "features" in page.text("#health")
            page.press("Enter")
            page.until("/Popular/.test(document.querySelector('.rungs .here').innerText)")
            assert "runs on less than it should" in page.text("#shelf-said")
            assert "feature store" in page.text("#made .warn")
        page.until(f"({LOOK}, {STATE} == 'well')")
        page.offline(True)
        page.press("Enter")
        assert "cannot be reached" in page.until(
            f"!document.querySelector('#fault').hidden && {FAULT}"
        )
        assert page.run(STATE) == "down"
        assert page.run("document.body.dataset.down") == "true"
        assert barriers(page) == []
        page.offline(False)
        page.until(f"{STATE} == 'well' && document.querySelector('#fault').hidden")
        assert page.run("document.body.dataset.down") == "false"
        stop(shown)
        page.until(f"({LOOK}, {STATE} == 'down')")
        assert "Not reachable since" in page.text("#health")
        page.press("Enter")
        page.until("!document.querySelector('#fault').hidden")
        # What was there is still there, and said to be of before.
        assert page.run("document.querySelectorAll('#shelf li').length") == 10
