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
                    _show(page, user)
                    yield ending, page.picture(most=most)
        finally:
            stop(service)


def _telling(service: Service, user: str) -> tuple[bool, float]:
    """Whether the way to the first title leads over another one, and how probable its start is."""
    answer = httpx.post(
        f"{service.url}/v1/recommend",
        json={"user_id": user, "k": 10, "explain": True, "preview": True},
        timeout=60,
    ).json()
    if not answer["items"]:
        return False, 0.0
    first = answer["items"][0]
    path = (first["explanation"] or {}).get("path") or ()
    return len(path) > 2, first["score"] or 0.0


def _show(page: Tab, user: str) -> None:
    page.until("document.querySelectorAll('#shelf li').length")
    page.type("#user", user)
    page.press("Enter")
    page.until(_THERE)
    page.run("document.activeElement.blur()")
    time.sleep(0.5)  # whatever is still being drawn
