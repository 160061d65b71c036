"""The BentoML service: `bentoml serve colisten.serving.service:Colisten` with COLISTEN_HOME set."""

from __future__ import annotations

from colisten.extras import needs

needs("bentoml", "starlette")

import gc
import os
import sys
from typing import Any

import bentoml
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from colisten.child import end_with
from colisten.logs import configure_logs
from colisten.serving import metrics
from colisten.serving.app import build_app
from colisten.serving.connections import Bounds, bound_connections
from colisten.serving.direct import DirectPath
from colisten.serving.drain import Drain, running_server
from colisten.serving.environment import Environment, workers
from colisten.serving.policy import PagePolicy
from colisten.serving.runtime import Runtime
from colisten.serving.tracing import tracer_of
from colisten.settings.sections import ServingSettings
from colisten.variables import ARBITER

app = build_app()
# How long a thread that computes keeps another one waiting, which has an answer to give.
_SWITCH_SECONDS = 0.0005
# Smaller answers than this are one packet or two anyhow.
COMPRESSION: dict[str, Any] = {"minimum_size": 4096, "compresslevel": 5}


@bentoml.service(
    name="colisten",
    workers=workers(),
    # Never reached: requests have a deadline, bodies and connections have theirs.
    traffic={"timeout": 120},
    # One line a request would cost more than the request; /metrics counts them.
    logging={"access": {"enabled": False}},
    # The application has its own at /metrics.
    metrics={"enabled": False},
)
@bentoml.asgi_app(app, path="/")
class Colisten:
    """Shelves, similar items and events over the live release."""

    def __init__(self) -> None:
        configure_logs()
        sys.setswitchinterval(_SWITCH_SECONDS)
        if arbiter := os.environ.get(ARBITER):
            # A worker whose arbiter was killed would hold the port.
            end_with(int(arbiter))
        environment = Environment.read()
        self.runtime = Runtime.open(environment)
        app.state.runtime = self.runtime
        app.state.limits = environment.settings.serving
        app.state.tracer = tracer_of(os.environ)
        drain = _bound(environment.settings.serving)
        if drain is not None:
            self.runtime.ends = lambda: drain.begun
        # What start-up made lives as long as the process: the collector need not look at it.
        gc.collect()
        gc.freeze()

    async def __is_ready__(self) -> bool:
        """Whether a release is loaded and the worker goes on; /readyz says 503 where not."""
        return self.runtime.ready

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop following releases and let go of connections."""
        self.runtime.close()
        if app.state.tracer is not None:
            app.state.tracer.close()


def _bound(serving: ServingSettings) -> Drain | None:
    """Bound the connections of this worker and its end; None where uvicorn does not serve it."""
    server = running_server()
    if server is None:
        return None
    bounds = Bounds(serving.idle_seconds, serving.max_connections)
    bound_connections(server, bounds)
    server.config.loaded_app = DirectPath(_wrapped(), server.config.loaded_app)
    return Drain(
        server,
        bounds,
        drain_seconds=serving.drain_seconds,
        end_seconds=serving.end_seconds,
        siblings=metrics.shared_folder(),
        workers=workers(),
    )


def _wrapped() -> ASGIApp:
    """The application within what BentoML's stack would have put around it of ours."""
    return PagePolicy(GZipMiddleware(app, **COMPRESSION))


# The decorators made a service of the class.
Colisten.add_asgi_middleware(PagePolicy)  # type: ignore[attr-defined]
Colisten.add_asgi_middleware(GZipMiddleware, **COMPRESSION)  # type: ignore[attr-defined]
