"""A cheap client that asks over HTTP, in a process of its own whose CPU is counted apart.

Two ways of asking: so many connections that each ask again once answered (`Closed`), and so many
requests a second whatever becomes of them (`Paced`), whose waiting counts from the moment at which
each was due: a service that stalls is not asked less.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import uvloop

from colisten.json_files import to_json

LOST = 0
"""Status of a request whose connection broke off or never came about."""
_RETRY_SECONDS, _SWEEP_SECONDS = 0.02, 0.05
_GRACE_SECONDS = 10.0
Label = Callable[[int, int, bytes], Any]
"""Of a request's number, its status and its answer, what is to be kept."""


@dataclass(frozen=True)
class Requests:
    """What is asked, in turn and from the start again.

    Attributes:
        port: Of a service on loopback.
        path: Where the bodies are posted.
        bodies: JSON objects.
        headers: Besides those that every POST of JSON has.
        patience: Seconds after which an answer is not waited for, and its connection is left.
    """

    port: int
    path: str
    bodies: Sequence[dict[str, Any]]
    headers: dict[str, str] = field(default_factory=dict)
    patience: float = 10.0

    def encoded(self) -> list[bytes]:
        """Whole requests of HTTP/1.1."""
        told = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{told}"
        head += "Content-Type: application/json\r\nContent-Length: "
        texts = (to_json(body).encode() for body in self.bodies)
        return [f"{head}{len(text)}\r\n\r\n".encode() + text for text in texts]


@dataclass(frozen=True)
class Closed:
    """Connections that each ask again once answered.

    Attributes:
        connections: How many.
        seconds: For how long; None until every body was sent once.
    """

    connections: int
    seconds: float | None


@dataclass(frozen=True)
class Paced:
    """Requests at an even pace.

    Attributes:
        a_second: How many.
        seconds: For how long.
        connections: At most so many wait for their answers; more wait for a connection.
    """

    a_second: float
    seconds: float
    connections: int = 256


@dataclass(frozen=True, eq=False)
class Answers:
    """What came of it, one entry a request, in the order of the ends.

    Attributes:
        ended: Moments of `time.time`, float64 [n].
        seconds: From asking, or from when it was due, to the whole answer, float64 [n].
        statuses: HTTP statuses, int64 [n]; `LOST` for none.
        labels: What was kept of each.
        took: Seconds of the whole.
        cpu_seconds: Of the client.
    """

    ended: np.ndarray
    seconds: np.ndarray
    statuses: np.ndarray
    labels: list[Any]
    took: float
    cpu_seconds: float

    def only(self, which: np.ndarray) -> Answers:
        """Those that a mask [n] names."""
        kept = [self.labels[at] for at in np.flatnonzero(which)]
        parts = (self.ended[which], self.seconds[which], self.statuses[which])
        return Answers(*parts, kept, self.took, self.cpu_seconds)

    def relabelled(self, labels: list[Any]) -> Answers:
        """The same with other labels."""
        return replace(self, labels=labels)

    def milliseconds(self, *quantiles: int) -> dict[str, float | None]:
        """Latency at each quantile, in percent; None of no answer."""
        return {
            f"p{at}": round(float(np.percentile(self.seconds, at)) * 1e3, 2)
            if len(self.seconds)
            else None
            for at in quantiles
        }

    def by_status(self) -> dict[str, int]:
        """How many of each status."""
        return {
            str(status): count for status, count in sorted(Counter(self.statuses.tolist()).items())
        }

    def shares(self) -> dict[str, float]:
        """Share of each label among the answers of status 200, the largest first."""
        good = Counter(
            label for label, status in zip(self.labels, self.statuses, strict=True) if status == 200
        )
        return {str(name): round(count / good.total(), 4) for name, count in good.most_common()}


def asked(requests: Requests, way: Closed | Paced, label: Label) -> Answers:
    """Ask in this process."""
    run = _Run(requests, way, label)
    before, started = time.process_time(), time.perf_counter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run.go())
    took = time.perf_counter() - started
    rows = run.rows
    return Answers(
        np.array([row[0] for row in rows], np.float64),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.int64),
        [row[3] for row in rows],
        took,
        time.process_time() - before,
    )


class _Run:
    """One run of a client: what is still to be sent, and what came back."""

    def __init__(self, requests: Requests, way: Closed | Paced, label: Label) -> None:
        self.way = way
        self._port = requests.port
        self._patience = requests.patience
        self._texts = requests.encoded()
        self._label = label
        self._numbers = itertools.count()
        self._end = math.inf
        self._due: deque[tuple[int, float]] = deque()
        self._idle: list[_Connection] = []
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits = 0
        self._over: asyncio.Future[None]
        self.connections: set[_Connection] = set()
        self.rows: list[tuple[float, float, int, Any]] = []

    async def go(self) -> None:
        """Ask until it is over."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        if self.way.seconds is not None:
            self._end = time.perf_counter() + self.way.seconds
        sweeping = loop.create_task(self._sweep())
        if isinstance(self.way, Closed):
            self._waits = self.way.connections
            for _ in range(self.way.connections):
                self._begin()
            limit = None if self.way.seconds is None else self.way.seconds + _GRACE_SECONDS
        else:
            await self._pace(self.way)
            limit = _GRACE_SECONDS
            self._check_paced()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._over), limit)
        sweeping.cancel()
        for one in [*self.connections]:
            one.close()
        for number, since in self._due:
            self.note(number, since, LOST, b"")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            late = time.perf_counter() - self._patience
            for one in [each for each in self.connections if each.busy and each.sent < late]:
                one.leave()

    async def _pace(self, way: Paced) -> None:
        start, sent = time.perf_counter(), 0
        while (now := time.perf_counter()) < self._end:
            wanted = int((now - start) * way.a_second) + 1  # the first is due at once
            for at in range(sent, wanted):
                self._due.append((next(self._numbers), start + at / way.a_second))
            sent = wanted
            self._serve(way)
            await asyncio.sleep(0.001)

    def _serve(self, way: Paced) -> None:
        while self._idle and self._due:
            number, since = self._due.popleft()
            self._idle.pop().send(number, self._texts[number % len(self._texts)], since)
        room = way.connections - len(self.connections) - self._opening
        for _ in range(min(len(self._due) - self._opening, room)):
            self._opening += 1
            self._begin()

    def _begin(self) -> None:
        task = asyncio.get_running_loop().create_task(self._open())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        since, loop = time.perf_counter(), asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        except OSError:
            if isinstance(self.way, Closed):
                self.note(next(self._numbers), since, LOST, b"")
            await asyncio.sleep(_RETRY_SECONDS)
            self.gone(None)
        finally:
            self._opening -= isinstance(self.way, Paced)

    def free(self, connection: _Connection) -> None:
        """A connection has nothing to do: it is given what is next, or is left alone."""
        now = time.perf_counter()
        if isinstance(self.way, Paced):
            if self._due:
                number, since = self._due.popleft()
                connection.send(number, self._texts[number % len(self._texts)], since)
            else:
                self._idle.append(connection)
                self._check_paced()
            return
        number = next(self._numbers)
        if now >= self._end or (self.way.seconds is None and number >= len(self._texts)):
            connection.closing = True
            self._done()
        else:
            connection.send(number, self._texts[number % len(self._texts)], now)

    def note(self, number: int, since: float, status: int, body: bytes) -> None:
        """A request has ended."""
        seconds = time.perf_counter() - since
        self.rows.append((time.time(), seconds, status, self._label(number, status, body)))

    def gone(self, connection: _Connection | None) -> None:
        """A connection is gone, or did not come about; another takes its place."""
        if connection in self._idle:
            self._idle.remove(connection)
        if isinstance(self.way, Paced):
            if not self._over.done():
                self._serve(self.way)
                self._check_paced()
        elif time.perf_counter() < self._end:
            self._begin()
        else:
            self._done()

    def _done(self) -> None:
        """One of the connections of `Closed` has come to its end."""
        self._waits -= 1
        if self._waits <= 0 and not self._over.done():
            self._over.set_result(None)

    def _check_paced(self) -> None:
        busy = self._due or any(one.busy for one in self.connections)
        if time.perf_counter() >= self._end and not busy and not self._over.done():
            self._over.set_result(None)


class _Connection(asyncio.Protocol):
    """One connection, with one request under way or none."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._got = b""
        self._number, self._since = -1, 0.0
        self.sent = 0.0
        self.busy = self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass of it.
        self._transport = cast(asyncio.Transport, transport)
        self._run.connections.add(self)
        self._run.free(self)

    def send(self, number: int, text: bytes, since: float) -> None:
        """Send a request that counts from `since`."""
        self._number, self._since, self.busy = number, since, True
        self.sent = time.perf_counter()
        self._transport.write(text)

    def data_received(self, data: bytes) -> None:
        self._got += data
        at = self._got.find(b"\r\n\r\n")
        if at < 0:
            return
        head = self._got[:at].lower()
        told = head.find(b"content-length:")
        length = int(head[told + 15 :].split(b"\r\n", 1)[0]) if told >= 0 else 0
        body = self._got[at + 4 :]
        if len(body) < length:
            return
        self._got, self.busy = b"", False
        self._run.note(self._number, self._since, int(head[9:12]), body)
        if b"\r\nconnection: close" in head:
            self._transport.close()
        elif not self._transport.is_closing():
            self._run.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._run.connections.discard(self)
        if self.busy:
            self.busy = False
            self._run.note(self._number, self._since, LOST, b"")
        if not self.closing:
            self._run.gone(self)

    def close(self) -> None:
        """End, whatever is under way."""
        self.closing = True
        self.leave()

    def leave(self) -> None:
        """Wait no longer for what is under way; another connection takes this one's place."""
        if self.busy:
            self.busy = False
            self._run.note(self._number, self._since, LOST, b"")
        self._transport.abort()
