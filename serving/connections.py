"""How many connections a worker holds, and for how long it waits for those that say nothing.

uvicorn bounds neither the time until a request's head is whole nor the number of connections; both
are decided here, in a protocol that is its own in everything else.
"""

from __future__ import annotations

from colisten.extras import needs

needs("uvicorn", "httptools")

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from colisten.serving import metrics
from colisten.serving.door import PROBES
from colisten.serving.problems import Fault, Refused, send_problem

_SWEEP_SECONDS = 0.25
# How long a connection without a request is kept once the worker takes no new ones.
_LINGER_SECONDS = 0.5
# Whoever looks after the worker gets through to it even then.
_ALWAYS = {*PROBES, "/metrics"}
_FULL = Refused(
    503,
    Fault(code="busy", detail="The worker has no connection to spare."),
    {"Retry-After": "1", "Connection": "close"},
)


@dataclass
class Bounds:
    """What all connections of a worker keep to.

    Attributes:
        idle_seconds: Longest time without a whole request head, or without reading an answer.
        most: Connections that are served; twice as many are held to be told that there is no room.
        ending: No connection outlives its next answer.
    """

    idle_seconds: float
    most: int
    ending: bool = field(default=False, init=False)


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, bounds: Bounds, **rest: Any) -> None:
        super().__init__(**rest)
        self._bounds = bounds
        self._open_app = self.app
        self._waits_since: float | None = time.monotonic()
        self._stalls_since: float | None = None
        self._last_call: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, to be served, to be told that there is no room, or not at all."""
        super().connection_made(transport)
        held = len(self.connections)
        if held > self._bounds.most:
            metrics.CONNECTIONS_REFUSED.inc()
            self.app = self._no_room
            if held > 2 * self._bounds.most:
                transport.abort()

    def on_headers_complete(self) -> None:
        """The head is whole: the request has begun."""
        self._waits_since = None
        super().on_headers_complete()
        if self._bounds.ending and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """The next head is waited for, or the rest of a body that nobody reads."""
        self._waits_since = time.monotonic()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._stalls_since = time.monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The other side reads again."""
        self._stalls_since = None
        super().resume_writing()

    def shutdown(self) -> None:
        """The worker takes no new connections: end with the answer, or soon where none is due.

        A request may be on its way on a connection without one, or lie unread in the socket.
        """
        self._last_call = time.monotonic() + _LINGER_SECONDS
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def sweep(self, now: float) -> None:
        """Close it where it has been waited for too long."""
        limit = now - self._bounds.idle_seconds
        waits, stalls = self._waits_since, self._stalls_since
        if stalls is not None and stalls < limit:
            self.transport.abort()
        elif waits is not None and waits < limit:
            # What was closed before and is still here has an answer that nobody reads.
            end = self.transport.abort if self.transport.is_closing() else self.transport.close
            end()
        elif waits is not None and self._last_call is not None and self._last_call < now:
            self.transport.close()

    async def _no_room(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] in _ALWAYS:
            await self._open_app(scope, receive, send)
            return
        await send_problem(send, _FULL)


def bound_connections(server: Server, bounds: Bounds) -> None:
    """Have every connection of a server keep to the bounds; called before it listens."""

    def protocol(**rest: Any) -> BoundedProtocol:
        return BoundedProtocol(bounds=bounds, **rest)

    loop = asyncio.get_running_loop()

    def sweep() -> None:
        now = time.monotonic()
        for connection in list(server.server_state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.sweep(now)
        loop.call_later(_SWEEP_SECONDS, sweep)

    server.config.http_protocol_class = protocol  # type: ignore[assignment]
    sweep()
