"""The BentoML service: `bentoml serve colisten.serving.service:Colisten` with COLISTEN_HOME set."""

from __future__ import annotations

from colisten.extras import needs

needs("bentoml")

import gc
import os

import bentoml

from colisten.child import end_with
from colisten.logs import configure_logs
from colisten.serving.app import build_app
from colisten.serving.environment import Environment, workers
from colisten.serving.policy import PagePolicy
from colisten.serving.runtime import Runtime
from colisten.variables import ARBITER

app = build_app()


@bentoml.service(
    name="colisten",
    workers=workers(),
    traffic={"timeout": 30},
    # One line a request would cost more than the request; /metrics counts them.
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(app, path="/")
class Colisten:
    """Shelves, similar items and events over the live release."""

    def __init__(self) -> None:
        configure_logs()
        if arbiter := os.environ.get(ARBITER):
            # A worker whose arbiter was killed would hold the port.
            end_with(int(arbiter))
        self.runtime = Runtime.open(Environment.read())
        app.state.runtime = self.runtime
        # What start-up made lives as long as the process: the collector need not look at it.
        gc.collect()
        gc.freeze()

    async def __is_ready__(self) -> bool:
        """Whether a release is loaded; /readyz says 503 until then."""
        return self.runtime.ready

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop following releases and let go of connections."""
        self.runtime.close()


# The decorators made a service of the class.
Colisten.add_asgi_middleware(PagePolicy)  # type: ignore[attr-defined]
