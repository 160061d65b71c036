"""From SIGTERM to the end of a worker without a request being lost.

First /readyz says 503 and requests are still taken, for whoever sends them needs a moment to hear
of it, and every answer closes its connection. Then nothing new is taken, what has begun is
answered, and the worker ends; however long that takes, it ends.
"""

from __future__ import annotations

from colisten.extras import needs

needs("uvicorn")

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import FrameType

from uvicorn.server import Server

from colisten.child import lives
from colisten.logs import logger
from colisten.serving.connections import BoundedProtocol, Bounds

LAST_RESORT_SECONDS = 5.0
"""After everything else was waited for a worker ends, whatever holds it."""
_log = logger("serving.drain")


def running_server() -> Server | None:
    """The uvicorn server of this process, whose handler the signals have; None without one."""
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return owner if isinstance(owner, Server) else None


class Siblings:
    """Where the workers of one service tell each other who is there and who ends.

    Args:
        folder: Theirs.
        count: How many they are meant to be.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._count = folder, count
        self._file("ending").unlink(missing_ok=True)  # of another process of this id, long ago
        self._file("there").touch()

    def heed(self, server: Server) -> None:
        """Have this worker say so where it is told to end before it answers."""

        def told(number: int, frame: FrameType | None) -> None:
            self.end()
            server.handle_exit(number, frame)

        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, told)
        if server.should_exit:  # told before anything of ours was loaded
            self.end()

    def end(self) -> None:
        """This worker was told to end."""
        self._file("ending").touch()

    def all_end(self, within: float) -> bool:
        """Whether the service ends, and not this worker alone: all workers were told to.

        Args:
            within: For how many seconds one that is gone still counts; later another has taken its
                place.
        """
        told = {one.suffix: one for one in self._folder.glob(self._file("ending", "*").name)}
        there = {one.suffix for one in self._folder.glob(self._file("there", "*").name)}
        if any(lives(int(one[1:])) for one in there - told.keys()):
            return False
        oldest = time.time() - within
        ended = 0
        for process, mark in told.items():
            with contextlib.suppress(FileNotFoundError):
                ended += lives(int(process[1:])) or mark.stat().st_mtime > oldest
        return ended >= self._count

    def _file(self, what: str, worker: int | str | None = None) -> Path:
        own = os.getpid() if worker is None else worker
        return self._folder / f"{what}-{os.getppid()}.{own}"


class Drain:
    """What a worker does once it is told to end; made while its server starts.

    Args:
        server: Whose signals it takes over.
        bounds: Of its connections.
        drain_seconds: How long requests are still taken.
        end_seconds: How long requests that were taken are waited for after that.
        siblings: The workers of its service; None where it is alone.
    """

    def __init__(
        self,
        server: Server,
        bounds: Bounds,
        *,
        drain_seconds: float,
        end_seconds: float,
        siblings: Siblings | None,
    ) -> None:
        self._server, self._bounds = server, bounds
        self._seconds = drain_seconds
        self._all_seconds = drain_seconds + end_seconds + LAST_RESORT_SECONDS
        self._siblings = siblings
        self._loop = asyncio.get_running_loop()
        self.begun = False
        server.config.timeout_graceful_shutdown = end_seconds  # type: ignore[assignment]
        self._before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        for one in self._before:
            signal.signal(one, self._told)
        if server.should_exit:
            # Told while it started: what waits for the others, who may be gone, it answers too.
            server.should_exit = False
            self._begin(signal.SIGTERM)

    def _told(self, number: int, frame: FrameType | None) -> None:
        if self.begun and number == signal.SIGINT:
            # Ctrl-C once more: at once.
            self._go_on(number)
        else:
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        if self.begun:
            return
        self.begun = self._bounds.ending = True
        _log.info("drain_begins", seconds=self._seconds)
        # Threads of others are waited for at exit, and one of them may never come back.
        threading.Thread(target=self._end_anyway, daemon=True).start()
        if self._siblings is not None:
            self._siblings.end()
        for one in self._server.server_state.connections:
            if isinstance(one, BoundedProtocol) and one.cycle is not None:
                one.cycle.keep_alive = False
        self._loop.call_later(self._seconds, self._finish, number)

    def _finish(self, number: int) -> None:
        ends = self._siblings is not None and self._siblings.all_end(self._all_seconds)
        last = self._take_rest() if ends else []
        self._rest = [self._loop.create_task(self._serve(one)) for one in last]
        done = asyncio.gather(*self._rest, return_exceptions=True)
        done.add_done_callback(lambda _: self._go_on(number))

    def _go_on(self, number: int) -> None:
        before = self._before[signal.Signals(number)]
        if callable(before):
            before(number, None)

    def _take_rest(self) -> list[socket.socket]:
        """Take every connection that waits, and have no more made: refused is not lost."""
        taken = []
        for server in self._server.servers:
            for one in server.sockets:
                with socket.socket(fileno=os.dup(one.fileno())) as listening:
                    listening.setblocking(False)
                    # An error: none waits, or a sibling was first.
                    with contextlib.suppress(OSError):
                        while True:
                            taken.append(listening.accept()[0])
                    # It is shared with the parent, which would go on having them made.
                    with contextlib.suppress(OSError):
                        listening.shutdown(socket.SHUT_RD)
        return taken

    async def _serve(self, connection: socket.socket) -> None:
        server = self._server
        connection.setblocking(False)
        await self._loop.connect_accepted_socket(
            lambda: server.config.http_protocol_class(  # type: ignore[call-arg]
                config=server.config,
                server_state=server.server_state,
                app_state=server.lifespan.state,
            ),
            connection,
        )

    def _end_anyway(self) -> None:
        time.sleep(self._all_seconds)
        _log.error("drain_stuck", seconds=self._all_seconds)
        os._exit(1)
