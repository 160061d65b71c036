"""What one process answers with: the application over a runtime, and what bounds both."""

from __future__ import annotations

from colisten.extras import needs

needs("starlette", "uvicorn")

import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from uvicorn.server import Server

from colisten import garbage
from colisten.child import end_with
from colisten.logs import configure_logs
from colisten.private import write_privately
from colisten.serving import metrics
from colisten.serving.app import build_app
from colisten.serving.connections import Bounds, bound_connections
from colisten.serving.direct import DirectPath
from colisten.serving.door import Admission, Door
from colisten.serving.drain import Drain, Siblings, running_server
from colisten.serving.environment import Environment, workers
from colisten.serving.event_pace import EventPace
from colisten.serving.heartbeat import Heartbeat
from colisten.serving.operator_port import OperatorPort, listen_also
from colisten.serving.policy import COMPRESSION, PagePolicy
from colisten.serving.runtime import Runtime
from colisten.serving.tracing import Tracer, tracer_of
from colisten.settings.sections import ServingSettings
from colisten.variables import ARBITER, HEARTBEATS

# How long a thread that computes keeps another one waiting, which has an answer to give.
_SWITCH_SECONDS = 0.0005


@dataclass(frozen=True)
class Worker:
    """An application that answers, and what it answers from.

    Attributes:
        app: Its routes.
        runtime: The release, the features and the index.
        admission: Who may ask.
        tracer: Of its requests; None where nobody asked for traces.
    """

    app: Starlette
    runtime: Runtime
    admission: Admission
    tracer: Tracer | None

    @classmethod
    def open(cls, app: Starlette, variables: MutableMapping[str, str]) -> Self:
        """Open what the environment names, in the process that will answer.

        Args:
            app: Without routes; gets its own.
            variables: The process's environment.

        Raises:
            ConfigError: As `Environment.read`, `Admission.of` and `tracer_of`.
            ColistenError: As `Runtime.open`.
        """
        configure_logs()
        write_privately(variables)
        sys.setswitchinterval(_SWITCH_SECONDS)
        if arbiter := variables.get(ARBITER):
            # A worker whose arbiter was killed would hold the port.
            end_with(int(arbiter))
        server, shared = running_server(), metrics.shared_folder()
        siblings = None if shared is None else Siblings(shared, workers(variables))
        if server is not None and siblings is not None:
            siblings.heed(server)
        environment = Environment.read(variables)
        serving = environment.settings.serving
        admission = Admission.of(serving, variables)
        runtime = Runtime.open(environment)
        metrics.WORKERS.set(1)
        metrics.WORKERS_MEANT.set(workers(variables))
        tracer = tracer_of(variables)
        build_app(serving, app)
        app.state.runtime, app.state.tracer, app.state.admission = runtime, tracer, admission
        app.state.pace = EventPace(serving.events_a_second)
        opened = cls(app, runtime, admission, tracer)
        drain = None if server is None else opened._bound(serving, server, siblings)
        if drain is not None:
            runtime.ends = lambda: drain.begun
            if folder := variables.get(HEARTBEATS):
                app.state.heartbeat = Heartbeat(Path(folder))
        # What start-up made lives as long as the process.
        garbage.search()
        return opened

    def close(self) -> None:
        """Stop following releases, let go of connections, send the spans that wait."""
        self.runtime.close()
        if self.tracer is not None:
            self.tracer.close()

    def _bound(self, serving: ServingSettings, server: Server, siblings: Siblings | None) -> Drain:
        """Bound the connections of a server and their end."""
        bounds = Bounds(serving.idle_seconds, serving.keep_alive_seconds, serving.max_connections)
        bound_connections(server, bounds)
        # The application within what BentoML's stack would have put around it of ours.
        compressed = PagePolicy(GZipMiddleware(self.app, **COMPRESSION))
        wrapped = Door(compressed, lambda: self.admission)
        server.config.loaded_app = DirectPath(wrapped, server.config.loaded_app)
        if serving.operator_port is not None:
            server.config.loaded_app = OperatorPort(server.config.loaded_app, serving.operator_port)
            self.app.state.operators = listen_also(
                server, serving.operator_host, serving.operator_port
            )
        return Drain(
            server,
            bounds,
            drain_seconds=serving.drain_seconds,
            end_seconds=serving.end_seconds,
            siblings=siblings,
        )
