"""The HTTP routes, a Starlette application that the BentoML service mounts.

Mounted rather than declared as BentoML APIs: that costs less than half per request, and leaves
status codes and error bodies to us. BentoML brings workers, /livez, /readyz, /metrics and the
documentation page, which shows the schema served here at /docs.json.
"""

from __future__ import annotations

from colisten.extras import needs

needs("bentoml", "starlette", "anyio")

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from colisten.logs import logger
from colisten.serving import metrics
from colisten.serving.openapi import describe, with_words
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

# Answering is mostly Python, which one thread at a time runs: more threads would only queue
# inside the budgets of the feature store and the index instead of before them.
THREADS = 4
INTERNAL = ErrorResponse(
    error="internal", message="This is a fault of the service; its log says more."
)
_log = logger("serving.app")


@dataclass(frozen=True)
class Endpoint:
    """A route and its messages: what is mounted, and what /docs.json describes.

    Attributes:
        run: Called with the runtime and, where there is a request model, the request.
        errors: HTTP statuses besides 200.
        writes: Whether it changes what is stored.
        prompt: Whether it answers at once where `Runtime.prompt` says so.
    """

    path: str
    method: str
    summary: str
    request: type[Request] | None
    answer: type[BaseModel]
    errors: tuple[int, ...]
    run: Callable[..., BaseModel]
    writes: bool = False
    prompt: bool = False


ENDPOINTS = (
    Endpoint(
        "/recommend",
        "POST",
        "A shelf for one user.",
        RecommendRequest,
        Shelf,
        (400, 413, 503),
        Runtime.recommend,
        prompt=True,
    ),
    Endpoint(
        "/similar",
        "POST",
        "Items of the recommended type nearest to an item of any type.",
        SimilarRequest,
        Similar,
        (400, 404, 413, 503),
        Runtime.similar,
    ),
    Endpoint(
        "/events",
        "POST",
        "Record what a user just did; the next answer sees it.",
        EventRequest,
        Accepted,
        (400, 413, 503),
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
        (400, 404, 413, 503),
        Runtime.vector,
    ),
)


def build_app() -> Starlette:
    """The application; `app.state.runtime` must be set before the first request."""
    # Work runs in threads where the feature store's or the index' client waits for a network.
    # Events have their own: they wait longest for a store that is locked, and who asks for a
    # shelf must not.
    asking, writing = CapacityLimiter(THREADS), CapacityLimiter(THREADS)
    routes = [
        Route(
            one.path,
            _handler(one, writing if one.writes else asking),
            methods=[one.method],
            name=one.path.strip("/"),
        )
        for one in ENDPOINTS
    ]
    schema = describe(ENDPOINTS)

    async def docs(http: HttpRequest) -> Response:
        runtime = http.app.state.runtime
        live = None if runtime is None else runtime.live
        return JSONResponse(schema if live is None else with_words(schema, live))

    routes.append(Route("/docs.json", docs, name="docs"))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _spoken})
    app.state.runtime = None
    return app


def _handler(endpoint: Endpoint, limiter: CapacityLimiter) -> Callable[..., Any]:
    async def handle(http: HttpRequest) -> Response:
        how: How | None = None
        started = time.perf_counter()
        try:
            runtime = http.app.state.runtime
            if endpoint.request is None:
                answer = await to_thread.run_sync(endpoint.run, runtime, limiter=limiter)
            else:
                body = await _read(http)
                started = time.perf_counter()
                request = endpoint.request.model_validate_json(body)
                if endpoint.prompt and runtime.prompt:
                    answer = endpoint.run(runtime, request)
                else:
                    work = partial(endpoint.run, runtime, request)
                    answer = await to_thread.run_sync(work, limiter=limiter)
            how = getattr(answer, "how", None)
            response = Response(answer.model_dump_json(), media_type="application/json")
        except ValidationError as error:
            response = _error(400, error_response(error))
        except Refused as refused:
            response = _error(refused.status, refused.response)
        except ClientDisconnect:
            response = _error(400, ErrorResponse(error="bad_body", message="The body broke off."))
        except Exception:
            _log.exception("request_failed", endpoint=endpoint.path)
            response = _error(500, INTERNAL)
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


async def _spoken(_: HttpRequest, error: Exception) -> Response:
    """Starlette's own refusals (a wrong method) in our form."""
    assert isinstance(error, HTTPException)
    body = ErrorResponse(error="bad_request", message=error.detail)
    return Response(
        body.model_dump_json(),
        status_code=error.status_code,
        media_type="application/json",
        headers=error.headers,
    )


def _error(status: int, body: ErrorResponse) -> Response:
    return Response(body.model_dump_json(), status_code=status, media_type="application/json")


async def _read(http: HttpRequest) -> bytes:
    """The body, read no further than the limit."""
    parts: list[bytes] = []
    size = 0
    async for part in http.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise Refused(
                413,
                ErrorResponse(
                    error="too_large", message=f"The body is longer than {MAX_BODY_BYTES} bytes."
                ),
            )
        parts.append(part)
    return b"".join(parts)
