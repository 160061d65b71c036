"""The BentoML service: `bentoml serve colisten.serving.service:Colisten` with COLISTEN_HOME set.

Whoever only starts workers reads this too and answers nobody, so that what answers is loaded where
BentoML makes the service of a worker (`colisten.serving.worker`).
"""

from __future__ import annotations

from colisten.extras import needs

needs("bentoml", "starlette")

import os
from typing import Any

import bentoml
from bentoml._internal.utils.analytics import usage_stats
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware

from colisten import garbage
from colisten.serving.door import Admission, Door
from colisten.serving.environment import workers
from colisten.serving.policy import COMPRESSION, PagePolicy

# `bentoml serve` has asked once before it imported us, when nothing was set, and keeps the answer.
usage_stats.do_not_track.cache_clear()


# BentoML asks it for its routes, which a worker gives it before requests come.
app = Starlette()


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
        garbage.search_rarely()
        from colisten.serving.worker import Worker

        self.worker = Worker.open(app, os.environ)

    async def __is_ready__(self) -> bool:
        """Whether a release is loaded and the worker goes on; /readyz says 503 where not."""
        return self.worker.runtime.ready

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop following releases and let go of connections."""
        self.worker.close()


def _admission() -> Admission:
    admission: Admission = app.state.admission
    return admission


# The decorators made a service of the class.
service: Any = Colisten
service.add_asgi_middleware(Door, admission=_admission)
service.add_asgi_middleware(PagePolicy)
service.add_asgi_middleware(GZipMiddleware, **COMPRESSION)
