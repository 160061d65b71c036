"""The routes of the page at `/`: its files, and what it asks beside the API.

The page is static and holds nothing; its script asks what anybody who reaches this port can ask.
It is there where `serving.page` says so, and shows a list of users or somebody's history only where
the operator set `serving.page_users` or `serving.page_history`.
"""

from __future__ import annotations

from colisten.extras import needs

needs("starlette")

import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any, NamedTuple

from pydantic import BaseModel
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from colisten.serving.incoming import body_of, check_type, deadline_of
from colisten.serving.lanes import Lane
from colisten.serving.page.messages import About, History, HistoryRequest, Titles, TitlesRequest
from colisten.serving.page.offers import columns_of, events_of, titles_of
from colisten.serving.problems import Fault, Refused
from colisten.serving.requests import Request
from colisten.serving.runtime import Runtime
from colisten.settings.sections import ServingSettings

# Nothing but this service's own files; no text becomes markup or a script, whatever it holds.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_BODY_BYTES = 512 * 1024
OFF = Fault(code="off", detail="The page is shown where serving.page is on.")
HISTORY_OFF = Fault(code="off", detail="Histories are shown where serving.page_history is on.")
Refusal = Callable[[str, Exception], Response]


class PageFile(NamedTuple):
    """A file of the page; the tag names its content."""

    content: bytes
    media_type: str
    tag: str


def page_files() -> dict[str, PageFile]:
    """The files of the page by name, as they lie in the package."""
    found = {}
    for file in files("colisten.serving.page").joinpath("files").iterdir():
        content = file.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        found[file.name] = PageFile(content, _TYPES[file.name.rpartition(".")[2]], tag)
    return found


def page_routes(lane: Lane, refusal: Refusal) -> list[Route]:
    """What the application mounts.

    Args:
        lane: Where the page's questions wait for their turn.
        refusal: The answer to a request that has none, by its path and what was raised.
    """
    known = page_files()

    async def index(http: HttpRequest) -> Response:
        if not _shown(http):
            return RedirectResponse("docs", headers={"Cache-Control": "no-cache"})
        return _file(http, known["index.html"])

    async def docs(http: HttpRequest) -> Response:
        # Swagger UI, as BentoML brings it, without the page around it; its policy is another.
        page = known["docs.html"]
        return Response(page.content, media_type=page.media_type)

    async def part(http: HttpRequest) -> Response:
        page = known.get(http.path_params["name"])
        if page is None or not _shown(http):
            return refusal(http.url.path, Refused(404, OFF))
        return _file(http, page)

    routes = [Route("/", index), Route("/docs", docs)]
    for name, model, run in (
        ("about", None, about),
        ("titles", TitlesRequest, titles),
        ("history", HistoryRequest, history),
    ):
        routes.append(_asked(f"/page/{name}", model, run, lane, refusal))
    return [*routes, Route("/page/{name}", part)]


def about(runtime: Runtime, limits: ServingSettings) -> About:
    """What the page may offer; see `About`."""
    release = runtime.released()
    return About(
        release_id=release.release_id,
        target_type=release.manifest.target_type,
        types=list(release.spec.types),
        signals=list(release.spec.signals),
        reasons=dict(limits.reasons),
        heard=limits.heard,
        columns=columns_of(release),
        users=list(limits.page_users),
        history=limits.page_history,
    )


def titles(runtime: Runtime, _: ServingSettings, request: TitlesRequest) -> Titles:
    """Items by a part of their title."""
    return titles_of(runtime.released(), request.text)


def history(runtime: Runtime, limits: ServingSettings, request: HistoryRequest) -> History:
    """What a user did.

    Raises:
        Refused: `serving.page_history` is off (404), or the store does not answer (503).
    """
    if not limits.page_history:
        raise Refused(404, HISTORY_OFF)
    release, user = runtime.user(request.user_id)
    return History(
        release_id=release.release_id,
        user_id=request.user_id,
        known=bool(user.known[0]),
        events=events_of(release, user),
    )


def _shown(http: HttpRequest) -> bool:
    limits: ServingSettings | None = http.app.state.limits
    return limits is not None and bool(limits.page)


def _file(http: HttpRequest, page: PageFile) -> Response:
    headers = {**_HEADERS, "ETag": page.tag}
    if http.headers.get("if-none-match") == page.tag:
        return Response(status_code=304, headers=headers)
    return Response(page.content, media_type=page.media_type, headers=headers)


def _asked(
    path: str,
    model: type[Request] | None,
    run: Callable[..., BaseModel],
    lane: Lane,
    refusal: Refusal,
) -> Route:
    """A question of the page: bounded and refused as those of the API are."""

    async def answer(http: HttpRequest) -> Response:
        limits: ServingSettings = http.app.state.limits
        try:
            if not _shown(http):
                raise Refused(404, OFF)
            given: list[Any] = []
            if model is not None:
                check_type(http)
                body = await body_of(http, most_bytes=_BODY_BYTES, seconds=limits.body_seconds)
                given.append(model.model_validate_json(body))
            found = await lane.run(
                lambda: run(http.app.state.runtime, limits, *given),
                deadline=deadline_of(http, limits.deadline_ms),
                most_waiting=limits.waiting,
            )
        except Exception as error:
            return refusal(path, error)
        return Response(found.model_dump_json(), media_type="application/json")

    return Route(path, answer, methods=["GET" if model is None else "POST"])
