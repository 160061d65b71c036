"""The way of a request past what BentoML puts before every application.

Its stack makes three spans of a trace that nobody reads, a task with a time-out and a context for
each request: about a quarter of a millisecond of CPU, a tenth of a whole answer. Deadlines, traces
and counters of the service are its own, so requests for it go straight to its application.
"""

from __future__ import annotations

from colisten.extras import needs

needs("starlette")

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/v1/"


class DirectPath:
    """Hands requests whose path begins with `PREFIX` to one application, and all else to another.

    Args:
        own: What answers below the prefix.
        rest: What answers elsewhere, and is told of start and end.
    """

    def __init__(self, own: ASGIApp, rest: ASGIApp) -> None:
        self._own = own
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the one or the other does."""
        direct = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (self._own if direct else self._rest)(scope, receive, send)
