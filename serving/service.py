"""The BentoML service: `bentoml serve colisten.serving.service:Colisten` with COLISTEN_HOME set."""

from __future__ import annotations

from colisten.extras import needs

needs("bentoml", "starlette")

import gc
import os
import sys
from typing import Any

import bentoml
from bentoml._internal.utils.analytics import usage_stats
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from colisten.child import end_with
from colisten.logs import configure_logs
from colisten.private import write_privately
from colisten.serving import metrics
from colisten.serving.app import build_app
from colisten.serving.connections import Bounds, bound_connections
from colisten.serving.direct import DirectPath
from colisten.serving.door import Admission, Door
from colisten.serving.drain import Drain, running_server
from colisten.serving.environment import Environment, workers
from colisten.serving.event_pace import EventPace
from colisten.serving.operator_port import OperatorPort, listen_also
from colisten.serving.policy import PagePolicy
from colisten.serving.runtime import Runtime
from colisten.serving.tracing import tracer_of
from colisten.settings.sections import ServingSettings
from colisten.variables import ARBITER

# `bentoml serve` has asked once before it imported us, when nothing was set, and keeps the answer.
usage_stats.do_not_track.cache_clear()
app = build_app()
# How long a thread that computes keeps another one waiting, which has an answer to give.
_SWITCH_SECONDS = 0.0005
# Smaller answers than this are one packet or two anyhow.
COMPRESSION: dict[str, Any] = {"minimum_size": 4096, "compresslevel": 5}


@bentoml.service(
    name="colisten",
    workers=workers(),
    # Of probes and static files; all else has deadlines of its own. Something of each such request
    # is kept for so long.
    traffic={"timeout": 10},
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
        write_privately(os.environ)
        sys.setswitchinterval(_SWITCH_SECONDS)
        if arbiter := os.environ.get(ARBITER):
            # A worker whose arbiter was killed would hold the port.
            end_with(int(arbiter))
        environment = Environment.read()
        app.state.admission = Admission.of(environment.settings.serving, os.environ)
        self.runtime = Runtime.open(environment)
        app.state.runtime = self.runtime
        app.state.limits = environment.settings.serving
        app.state.pace = EventPace(environment.settings.serving.events_a_second)
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
    if serving.operator_port is not None:
        server.config.loaded_app = OperatorPort(server.config.loaded_app, serving.operator_port)
        app.state.operators = listen_also(server, serving.operator_host, serving.operator_port)
    return Drain(
        server,
        bounds,
        drain_seconds=serving.drain_seconds,
        end_seconds=serving.end_seconds,
        siblings=metrics.shared_folder(),
        workers=workers(),
    )


def _admission() -> Admission:
    admission: Admission = app.state.admission
    return admission


def _wrapped() -> ASGIApp:
    """The application within what BentoML's stack would have put around it of ours."""
    return Door(PagePolicy(GZipMiddleware(app, **COMPRESSION)), _admission)


# The decorators made a service of the class.
Colisten.add_asgi_middleware(Door, admission=_admission)  # type: ignore[attr-defined]
Colisten.add_asgi_middleware(PagePolicy)  # type: ignore[attr-defined]
Colisten.add_asgi_middleware(GZipMiddleware, **COMPRESSION)  # type: ignore[attr-defined]
