"""The HTTP routes, a Starlette application that the BentoML service mounts.

Mounted rather than declared as BentoML APIs: that costs less than half per request, and leaves
status codes and error bodies to us. BentoML brings workers, /livez, /readyz and the documentation
page, which shows the schema served here at /docs.json. Its own metrics are off: they count by
whatever path is asked for, and so grow with every unknown one.
"""

from __future__ import annotations

from colisten.extras import needs

needs("starlette", "anyio")

import functools
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from colisten.logs import logger
from colisten.serving import metrics
from colisten.serving.incoming import body_of, check_type, deadline_of
from colisten.serving.lanes import Busy, Lane, TooLate
from colisten.serving.openapi import describe, with_words
from colisten.serving.page.routes import page_routes
from colisten.serving.runtime import Runtime
from colisten.serving.schemas import (
    MAX_BODY_BYTES,
    Accepted,
    ErrorResponse,
    EventRequest,
    How,
    RecommendRequest,
    Refused,
    ReleaseInfo,
    Request,
    Shelf,
    Similar,
    SimilarRequest,
    Vector,
    VectorRequest,
    error_response,
)
from colisten.settings.sections import ServingSettings

# Answering is mostly Python, which one thread at a time runs: more threads would only queue
# inside the budgets of the feature store and the index instead of before them.
THREADS = 4
INTERNAL = ErrorResponse(
    error="internal", message="This is a fault of the service; its log says more."
)
BUSY = ErrorResponse(
    error="busy", message="More is asked than can be answered in time; ask again after a while."
)
TOO_LATE = ErrorResponse(
    error="too_late",
    message="The deadline is over, or nearer than the answer. What was to be stored may be; "
    "it can be sent again.",
)
NO_CORS = ErrorResponse(error="no_cors", message="Pages of other sites may not ask this service.")
_log = logger("serving.app")


@dataclass(frozen=True)
class Endpoint:
    """A route and its messages: what is mounted, and what /docs.json describes.

    Attributes:
        run: Called with the runtime and, where there is a request model, the request.
        errors: HTTP statuses besides 200, and besides those that every body and every queue has.
        writes: Whether it changes what is stored.
    """

    path: str
    method: str
    summary: str
    request: type[Request] | None
    answer: type[BaseModel]
    errors: tuple[int, ...]
    run: Callable[..., BaseModel]
    writes: bool = False
    most_bytes: int = MAX_BODY_BYTES

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status besides 200."""
        of_body = () if self.request is None else (400, 408, 413, 415)
        return tuple(sorted({*self.errors, *of_body, 429, 504}))


ENDPOINTS = (
    Endpoint(
        "/recommend",
        "POST",
        "A shelf for one user.",
        RecommendRequest,
        Shelf,
        (503,),
        Runtime.recommend,
    ),
    Endpoint(
        "/similar",
        "POST",
        "Items of the recommended type nearest to an item of any type.",
        SimilarRequest,
        Similar,
        (404, 503),
        Runtime.similar,
    ),
    Endpoint(
        "/events",
        "POST",
        "Record what a user just did; the next answer sees it.",
        EventRequest,
        Accepted,
        (503,),
        Runtime.push,
        writes=True,
    ),
    Endpoint("/release", "GET", "The release in use.", None, ReleaseInfo, (503,), Runtime.info),
    Endpoint(
        "/vector",
        "POST",
        "A user's vector; 404 unless `serving.debug_vectors` is on.",
        VectorRequest,
        Vector,
        (404, 503),
        Runtime.vector,
        most_bytes=MAX_BODY_BYTES // 2,
    ),
)


def build_app(limits: ServingSettings | None = None) -> Starlette:
    """The application; `app.state.runtime` must be set before the first request.

    Args:
        limits: How long requests may take and how many may wait; None, also later as
            `app.state.limits`, for as long and as many as there are.
    """
    # Work runs in threads because the feature store and index clients block. Events have their
    # own: they wait longest for a store that is locked, and who asks for a shelf must not.
    asking, writing = Lane("asking", THREADS), Lane("writing", THREADS)
    routes = [
        route
        for one in ENDPOINTS
        for route in (
            Route(
                one.path,
                _handler(one, writing if one.writes else asking),
                methods=[one.method],
                name=one.path.strip("/"),
            ),
            _options(one.path, one.method),
        )
    ]
    schema = describe(ENDPOINTS)

    async def docs(http: HttpRequest) -> Response:
        runtime = http.app.state.runtime
        live = None if runtime is None else runtime.live
        return JSONResponse(schema if live is None else with_words(schema, live))

    async def counters(_: HttpRequest) -> Response:
        text = await to_thread.run_sync(metrics.exposition)
        return Response(text, media_type=metrics.EXPOSITION_TYPE)

    routes += page_routes(asking, _refusal)
    for path, answer in (("/docs.json", docs), ("/metrics", counters)):
        routes += [Route(path, answer, methods=["GET"]), _options(path, "GET")]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _spoken})
    app.state.runtime, app.state.limits = None, limits
    return app


def _options(path: str, method: str) -> Route:
    """What may be done with a path; a browser that asks on behalf of another site is refused."""
    allow = {"Allow": ", ".join([method, *(["HEAD"] if method == "GET" else []), "OPTIONS"])}

    async def answer(http: HttpRequest) -> Response:
        if "access-control-request-method" in http.headers:
            return _error(403, NO_CORS, allow)
        return Response(status_code=204, headers=allow)

    return Route(path, answer, methods=["OPTIONS"], name=f"options {path}")


def _handler(endpoint: Endpoint, lane: Lane) -> Callable[..., Any]:
    async def handle(http: HttpRequest) -> Response:
        how: How | None = None
        started = time.perf_counter()
        try:
            answer = await _answer(endpoint, lane, http)
            how = getattr(answer, "how", None)
            response = Response(answer.model_dump_json(), media_type="application/json")
        except Exception as error:
            response = _refusal(endpoint.path, error)
        metrics.SECONDS.labels(endpoint.path).observe(time.perf_counter() - started)
        metrics.REQUESTS.labels(
            endpoint.path,
            str(response.status_code),
            how.vector if how else "",
            how.search if how else "",
        ).inc()
        for reason in how.fallbacks if how else ():
            metrics.FALLBACKS.labels(reason).inc()
        return response

    return handle


async def _answer(endpoint: Endpoint, lane: Lane, http: HttpRequest) -> BaseModel:
    runtime, limits = http.app.state.runtime, http.app.state.limits
    usual = limits and (limits.event_deadline_ms if endpoint.writes else limits.deadline_ms)
    deadline = deadline_of(http, usual)
    given: list[Any] = [runtime]
    if endpoint.request is not None:
        check_type(http)
        seconds = limits and limits.body_seconds
        body = await body_of(http, most_bytes=endpoint.most_bytes, seconds=seconds)
        given.append(endpoint.request.model_validate_json(body))
    most_waiting = limits.waiting if limits else sys.maxsize
    work = functools.partial(endpoint.run, *given)
    return await lane.run(work, deadline=deadline, most_waiting=most_waiting)


def _refusal(path: str, error: Exception) -> Response:
    """The answer to a request that has none."""
    match error:
        case ValidationError():
            return _error(400, error_response(error))
        case Refused():
            return _error(error.status, error.response, error.headers)
        case ClientDisconnect():
            return _error(400, ErrorResponse(error="bad_body", message="The body broke off."))
        case Busy():
            return _error(429, BUSY, {"Retry-After": str(error.retry_seconds)})
        case TooLate():
            return _error(504, TOO_LATE)
    _log.error("request_failed", endpoint=path, exc_info=error)
    return _error(500, INTERNAL)


async def _spoken(_: HttpRequest, error: Exception) -> Response:
    """Starlette's own refusals (a wrong method) in our form."""
    assert isinstance(error, HTTPException)
    body = ErrorResponse(error="bad_request", message=error.detail)
    return _error(error.status_code, body, error.headers)


def _error(status: int, body: ErrorResponse, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        body.model_dump_json(),
        status_code=status,
        media_type="application/json",
        headers=headers,
    )
