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
from colisten.serving import metrics, stages
from colisten.serving.answers import How, Shelf, Shelves
from colisten.serving.endpoints import ENDPOINTS, MOVED, MOVED_ON, Endpoint
from colisten.serving.incoming import body_of, check_type, deadline_of
from colisten.serving.lanes import Busy, Lane, Together, TooLate
from colisten.serving.openapi import describe, with_words
from colisten.serving.page.routes import page_routes
from colisten.serving.problems import MEDIA_TYPE, Fault, Problem, Refused, body_fault, new_instance
from colisten.serving.requests import FORMS, EventsRequest
from colisten.settings.sections import ServingSettings

# Answering is mostly Python, which one thread at a time runs, and products of matrices, which run
# beside it: more threads would get into each other's way. What waits is answered together.
ASKING = 2
TOGETHER = 16
"""Shelves that are made at once, at most: the first waits for the last."""
THREADS = 4
"""Requests that store something, in work at once."""
BATCHES = 2
"""Bodies of several requests in work at once, beside those of one."""
INTERNAL = Fault(code="internal", detail="This is a fault of the service; its log says more.")
BUSY = Fault(
    code="busy", detail="More is asked than can be answered in time; ask again after a while."
)
TOO_LATE = Fault(
    code="too_late",
    detail="The deadline is over, or nearer than the answer. What was to be stored may be; "
    "it can be sent again.",
)
NO_CORS = Fault(code="no_cors", detail="Pages of other sites may not ask this service.")
_STAGE_SECONDS = {one: metrics.STAGE_SECONDS.labels(one) for one in stages.STAGES}
_log = logger("serving.app")


def build_app(limits: ServingSettings | None = None, app: Starlette | None = None) -> Starlette:
    """The application; `app.state.runtime` must be set before the first request.

    `app.state.tracer` may be set to a `colisten.serving.tracing.Tracer`, `app.state.pace` to a
    `colisten.serving.event_pace.EventPace`.

    Args:
        limits: How long requests may take and how many may wait; None, also later as
            `app.state.limits`, for as long and as many as there are.
        app: An application that has no routes yet, to be this one; None for a new one.
    """
    # Work runs in threads because the feature store and index clients block. Events have their
    # own: they wait longest for a store that is locked, and who asks for a shelf must not.
    lanes = {
        "asking": Lane("asking", ASKING),
        "batches": Lane("batches", BATCHES),
        "writing": Lane("writing", THREADS),
    }
    routes = [
        route
        for one in ENDPOINTS
        for route in (
            Route(
                one.path, _handler(one, lanes.get(one.lane)), methods=[one.method], name=one.name
            ),
            _options(one.path, one.method),
        )
    ]
    for path, (method, new) in MOVED.items():
        routes += [Route(path, _moved(path, new), methods=[method]), _options(path, method)]
    schema = describe(ENDPOINTS)

    async def docs(http: HttpRequest) -> Response:
        runtime = http.app.state.runtime
        live = None if runtime is None else runtime.live
        return JSONResponse(schema if live is None else with_words(schema, live))

    async def counters(_: HttpRequest) -> Response:
        text = await to_thread.run_sync(metrics.exposition)
        return Response(text, media_type=metrics.EXPOSITION_TYPE)

    routes += page_routes(lanes["asking"], _refusal)
    for path, answer in (("/docs.json", docs), ("/metrics", counters)):
        routes += [Route(path, answer, methods=["GET"]), _options(path, "GET")]
    app = app or Starlette()
    app.router.routes += routes
    app.add_exception_handler(HTTPException, _spoken)
    app.state.runtime, app.state.limits, app.state.tracer = None, limits, None
    app.state.pace = None
    return app


def _options(path: str, method: str) -> Route:
    """What may be done with a path; a browser that asks on behalf of another site is refused."""
    allow = {"Allow": ", ".join([method, *(["HEAD"] if method == "GET" else []), "OPTIONS"])}

    async def answer(http: HttpRequest) -> Response:
        if "access-control-request-method" in http.headers:
            return _error(403, NO_CORS, allow)
        return Response(status_code=204, headers=allow)

    return Route(path, answer, methods=["OPTIONS"], name=f"options {path}")


def _moved(path: str, new: str) -> Callable[..., Any]:
    """A path of the version before: the same request goes to another one."""
    fault = Fault(code="moved", detail=f"{path} is {new} now; it goes with the next version.")
    # Relative, so that it holds behind a proxy that puts something before both.
    headers = {
        "Location": new.lstrip("/"),
        "Deprecation": f"@{MOVED_ON}",
        "Link": f'<{new.lstrip("/")}>; rel="successor-version"',
    }

    async def answer(_: HttpRequest) -> Response:
        metrics.REQUESTS.labels(path, "308", "", "").inc()
        return _error(308, fault, headers)

    return answer


def _handler(endpoint: Endpoint, lane: Lane | None) -> Callable[..., Any]:
    async def handle(http: HttpRequest) -> Response:
        tracer = http.app.state.tracer
        if tracer is None:
            response, _ = await _handled(endpoint, lane, http, stages.begin())
            return response
        with tracer.request(endpoint.method, endpoint.path, http.headers) as span:
            response, answer = await _handled(endpoint, lane, http, stages.begin(tracer))
            tracer.tell(span, response.status_code, answer)
        return response

    return handle


async def _handled(
    endpoint: Endpoint, lane: Lane | None, http: HttpRequest, times: stages.StageTimes
) -> tuple[Response, BaseModel | None]:
    """The response to a request, counted, and the answer in it where there is one."""
    answer: BaseModel | None = None
    started = time.perf_counter()
    try:
        answer = await _answer(endpoint, lane, http)
        with stages.stage("answer"):
            body = answer.model_dump_json()
        headers = {stages.HEADER: times.header()} if isinstance(answer, Shelf) else None
        response = Response(body, media_type="application/json", headers=headers)
    except Exception as error:
        response = _refusal(endpoint.path, error)
    how: How | None = getattr(answer, "how", None)
    hows = [how] if how else []
    if isinstance(answer, Shelves):
        hows = [one.shelf.how for one in answer.answers if one.shelf is not None]
    metrics.SECONDS.labels(endpoint.path).observe(time.perf_counter() - started)
    # Work that nobody waits for any more may still be adding to them.
    for name, took in tuple(times.seconds.items()):
        _STAGE_SECONDS[name].observe(took)
    metrics.REQUESTS.labels(
        endpoint.path,
        str(response.status_code),
        how.vector if how else "",
        how.search if how else "",
    ).inc()
    for each in hows:
        for reason in each.fallbacks:
            metrics.FALLBACKS.labels(reason).inc()
    return response, answer


async def _answer(endpoint: Endpoint, lane: Lane | None, http: HttpRequest) -> BaseModel:
    runtime, limits = http.app.state.runtime, http.app.state.limits
    usual = limits and (limits.event_deadline_ms if endpoint.writes else limits.deadline_ms)
    deadline = deadline_of(http, usual)
    most_waiting = limits.waiting if limits else sys.maxsize
    if lane is not None:
        # Who cannot be answered in time costs no more than to say so.
        lane.check(deadline, most_waiting)
    given: list[Any] = [runtime]
    if endpoint.request is not None:
        check_type(http)
        seconds = limits and limits.body_seconds
        body = await body_of(http, most_bytes=endpoint.most_bytes, seconds=seconds)
        request = endpoint.request.model_validate_json(body)
        if isinstance(request, EventsRequest) and http.app.state.pace is not None:
            http.app.state.pace.take(request.count)
        given.append(request)
    work: Callable[[], BaseModel] = functools.partial(endpoint.run, *given)
    if lane is None:
        return work()
    if endpoint.together is not None:
        asked = given[1], stages.current()
        work = Together(endpoint.together, runtime, asked, TOGETHER)
    return await lane.run(work, deadline=deadline, most_waiting=most_waiting)


def _refusal(path: str, error: Exception) -> Response:
    """The answer to a request that has none."""
    match error:
        case ValidationError():
            return _error(400, body_fault(error, FORMS))
        case Refused():
            return _error(error.status, error.fault, error.headers)
        case ClientDisconnect():
            return _error(400, Fault(code="bad_body", detail="The body broke off."))
        case Busy():
            return _error(429, BUSY, {"Retry-After": str(error.retry_seconds)})
        case TooLate():
            return _error(504, TOO_LATE)
    instance = new_instance()
    _log.error("request_failed", endpoint=path, instance=instance, exc_info=error)
    return _error(500, INTERNAL, instance=instance)


async def _spoken(_: HttpRequest, error: Exception) -> Response:
    """Starlette's own refusals (a wrong method) in our form."""
    assert isinstance(error, HTTPException)
    fault = Fault(code="bad_request", detail=error.detail)
    return _error(error.status_code, fault, error.headers)


def _error(
    status: int,
    fault: Fault,
    headers: Mapping[str, str] | None = None,
    *,
    instance: str | None = None,
) -> Response:
    problem = Problem.of(status, fault, instance)
    return Response(
        problem.model_dump_json(), status_code=status, media_type=MEDIA_TYPE, headers=headers
    )
