"""Pictures of the page that the service shows, taken of a run's own service."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from colisten.cli.user_ids import every_user
from tests.browser import Browser
from tests.conftest import ServedHome
from tests.serving.conftest import Service, start, stop
from tests.tab import Tab, tab

USERS, OFFERED = 60, 3
_THERE = "document.querySelectorAll('#events li').length > 0"


def pictures(
    chromium: Browser, out: Path, views: tuple[tuple[str, int, int, bool], ...]
) -> Iterator[tuple[str, bytes]]:
    """The page with a user's shelf: the ending of each view's name, and the picture.

    Args:
        chromium: Takes them.
        out: The folder of a run.
        views: Name's ending, width and greatest height in pixels, and whether it is dark.
    """
    users = every_user(out)[:USERS]
    offered = json.dumps(users[:OFFERED])
    with tempfile.TemporaryDirectory() as folder:
        service = start(
            ServedHome(out, []),
            Path(folder) / "log",
            f"serving.page_users={offered}",
            "serving.page_history=true",
        )
        try:
            user = max(users, key=lambda one: _telling(service, one))
            for ending, width, most, dark in views:
                with tab(chromium, service.url, width=width, height=most, dark=dark) as page:
                    _show(page, user, wide=width > 600)
                    yield ending, page.picture(most=most)
        finally:
            stop(service)


def _telling(service: Service, user: str) -> tuple[bool, float]:
    """Whether the way to some title leads over another one, and how probable the first start is."""
    answer = httpx.post(
        f"{service.url}/v1/recommend",
        json={"user_id": user, "k": 10, "explain": True, "preview": True},
        timeout=60,
    ).json()
    paths = [(one["explanation"] or {}).get("path") or () for one in answer["items"]]
    return any(len(path) > 2 for path in paths), max(
        (one["score"] or 0.0 for one in answer["items"]), default=0.0
    )


def _show(page: Tab, user: str, *, wide: bool) -> None:
    page.until("document.querySelectorAll('#shelf li').length")
    page.type("#user", user)
    page.press("Enter")
    page.until(_THERE)
    if wide:
        # The title whose way is longest; on a phone it would cover the shelf.
        page.run(
            "for (const book of document.querySelectorAll('#shelf button'))"
            " if (document.querySelectorAll('.way .stop').length < 4) book.click()"
        )
    page.run("document.activeElement.blur()")
    time.sleep(0.5)  # whatever is still being drawn
