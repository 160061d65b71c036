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
        keep_alive_seconds: Longest time between requests.
        most: Connections that are served; twice as many are held to be told that there is no room.
        ending: No connection outlives its next answer.
    """

    idle_seconds: float
    keep_alive_seconds: float
    most: int
    ending: bool = field(default=False, init=False)


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *, bounds: Bounds, **rest: Any) -> None:
        super().__init__(**rest)
        self._bounds = bounds
        self._open_app = self.app
        self._waits_since: float | None = time.monotonic()
        # Whether what is waited for is another request, of which nothing has come yet.
        self._kept = False
        self._whole = True
        self._refused = False
        self._stalls_since: float | None = None
        self._last_call: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, to be served, to be told that there is no room, or not at all.

        One that is only kept for its next request makes room, the one kept longest first.
        """
        super().connection_made(transport)
        held = len(self.connections)
        if held > self._bounds.most and not self._makes_room():
            metrics.CONNECTIONS_REFUSED.inc()
            self.app, self._refused = self._no_room, True
            if held > 2 * self._bounds.most:
                transport.abort()

    def on_message_begin(self) -> None:
        """A head begins: it is waited for no longer than the first."""
        super().on_message_begin()
        self._whole = False
        if self._waits_since is not None:
            self._waits(kept=False)

    def on_message_complete(self) -> None:
        """The body is whole, perhaps after its answer."""
        super().on_message_complete()
        self._whole = True
        if self._waits_since is not None:
            self._waits(kept=True)

    def on_headers_complete(self) -> None:
        """The head is whole: the request has begun."""
        self._waits_since = None
        super().on_headers_complete()
        if self._bounds.ending and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """The next head is waited for, or the rest of a body that nobody reads."""
        follows = bool(self.pipeline)
        super().on_response_complete()
        if not follows:
            self._waits(kept=self._whole)

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
        bounds, closing = self._bounds, self.transport.is_closing()
        patience = bounds.keep_alive_seconds if self._kept and not closing else bounds.idle_seconds
        waits, stalls = self._waits_since, self._stalls_since
        if stalls is not None and stalls < now - bounds.idle_seconds:
            self.transport.abort()
        elif waits is not None and waits < now - patience:
            # What was closed before and is still here has an answer that nobody reads.
            end = self.transport.abort if closing else self.transport.close
            end()
        elif waits is not None and self._last_call is not None and self._last_call < now:
            self.transport.close()

    def _waits(self, *, kept: bool) -> None:
        self._waits_since, self._kept = time.monotonic(), kept

    def _makes_room(self) -> bool:
        """Close as many connections as are too many, of those that are only kept.

        Those that are told that there is no room take none.

        Returns:
            False where that is not enough; then all stay.
        """
        served = [
            one
            for one in self.connections
            if isinstance(one, BoundedProtocol) and not (one._refused or one.transport.is_closing())
        ]
        kept = sorted((one for one in served if one._kept_since), key=lambda one: one._kept_since)
        over = max(0, len(served) - self._bounds.most)
        if len(kept) < over:
            return False
        for one in kept[:over]:
            one.transport.close()
        return True

    @property
    def _kept_since(self) -> float:
        """Since when it only waits for another request; 0 where it does not."""
        return self._waits_since or 0.0 if self._kept else 0.0

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
    server.config.timeout_keep_alive = bounds.keep_alive_seconds  # type: ignore[assignment]
    sweep()
