"""Milvus Lite's server beside a service, started again whenever it is gone."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from colisten.errors import VectorIndexError
from colisten.index.lite_server import LiteServer
from colisten.logs import logger

_LOOK_SECONDS = 0.5
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_END_SECONDS = 20.0
_PATIENCE_SECONDS = 20.0
log = logger("index")


class SupervisedServer:
    """A `LiteServer` that is kept running while the block lasts.

    A server that died, that hangs, that does not start, or that another process ran and took with
    it is started again, after waits that double up to half a minute and begin anew once one has
    started.

    Args:
        root: Output folder.
        patience_seconds: How long a server may say nothing before it is taken to hang.
    """

    def __init__(self, root: Path, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._root = root
        self._patience = patience_seconds
        self._answered = time.monotonic()
        self._server: LiteServer | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="index-server", daemon=True)

    def __enter__(self) -> Self:
        self._start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(_END_SECONDS)  # a server that is being started ends with this process
        self._end()

    def _start(self) -> bool:
        self._end()
        server = LiteServer(self._root)
        try:
            self._server = server.__enter__()
        except (VectorIndexError, OSError) as error:
            log.error("index server absent", error=str(error), instead="exact search")
            return False
        self._answered = time.monotonic()
        return True

    def _hangs(self, server: LiteServer) -> bool:
        now = time.monotonic()
        if now - self._answered < self._patience / 4:
            return False  # asked lately
        if server.answers(self._patience / 4):
            self._answered = time.monotonic()
        return time.monotonic() - self._answered > self._patience

    def _end(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.__exit__(None, None, None)

    def _watch(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        while not self._ended.wait(_LOOK_SECONDS):
            if self._server is not None and self._server.runs and not self._hangs(self._server):
                continue
            log.warning("index server gone", again_in_seconds=wait)
            if self._ended.wait(wait):
                return
            wait = _FIRST_WAIT_SECONDS if self._start() else min(2 * wait, _LONGEST_WAIT_SECONDS)
