"""Requests for the service's own answers pass by what BentoML puts before every application."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import anyio
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from colisten.serving.direct import DirectPath


def noting(name: str, seen: list[str]) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(name)

    return answer


async def receive() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


async def send(_: MutableMapping[str, Any]) -> None: ...


@pytest.mark.parametrize(
    ("kind", "path", "who"),
    [
        ("http", "/v1/recommend", "own"),
        ("http", "/v1/nothing", "own"),
        ("http", "/nothing", "own"),
        ("http", "/", "own"),
        ("http", "/metrics", "own"),
        ("http", "/docs", "own"),
        ("http", "/readyz", "rest"),
        ("http", "/livez", "rest"),
        ("http", "/readyz/more", "own"),
        ("http", "/static_content/swagger-ui.css", "rest"),
        ("http", "/static_content", "own"),
        ("websocket", "/v1/recommend", "rest"),
        ("lifespan", None, "rest"),
    ],
)
def test_all_but_what_bentoml_answers_goes_straight(kind: str, path: str | None, who: str) -> None:
    seen: list[str] = []
    app = DirectPath(noting("own", seen), noting("rest", seen))
    scope: Scope = {"type": kind} | ({} if path is None else {"path": path})
    anyio.run(app, scope, receive, send)
    assert seen == [who]
