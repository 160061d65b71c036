"""The way of a request past what BentoML puts before every application.

Its stack makes three spans of a trace that nobody reads, a task with a time-out and a context for
each request: about a quarter of a millisecond of CPU, a tenth of a whole answer; and it keeps five
kilobytes of each until the time-out would have come, however soon it was answered. Deadlines,
traces and counters of the service are its own, so requests go straight to its application, but for
what BentoML itself answers.
"""

from __future__ import annotations

from colisten.extras import needs

needs("starlette")

from starlette.types import ASGIApp, Receive, Scope, Send

from colisten.serving.door import PROBES

STATIC = "/static_content/"
"""Below it lie the files of Swagger UI."""


class DirectPath:
    """Hands requests to one application, and what BentoML answers to another.

    Args:
        own: What answers.
        rest: What answers probes and static files, and is told of start and end.
    """

    def __init__(self, own: ASGIApp, rest: ASGIApp) -> None:
        self._own = own
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the one or the other does."""
        direct = scope["type"] == "http" and not _of_bentoml(scope["path"])
        await (self._own if direct else self._rest)(scope, receive, send)


def _of_bentoml(path: str) -> bool:
    return path in PROBES or path.startswith(STATIC)
