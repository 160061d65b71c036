"""Whether a worker goes on: it says so every second, and one that does not is ended.

A worker whose event loop does not turn, stopped or stuck in compiled code, answers nobody and is
missed by nobody: it is alive, and its connections stay open. The process that started the workers
ends it, and BentoML starts another in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colisten.logs import logger

BEAT_SECONDS = 1.0
# `time.monotonic` is of the machine, and so the same in every process.
_MOMENT = struct.Struct("=d")
_log = logger("serving.heartbeat")


class Heartbeat:
    """Of this process: beats for as long as the event loop that runs here turns.

    Args:
        folder: Where the watch of `watched` looks.
    """

    def __init__(self, folder: Path) -> None:
        aside = folder / f".{os.getpid()}"
        self._file = aside.open("w+b", buffering=0)
        # Held until this process ends, however it does: a later one of the same id is not it.
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file.write(_MOMENT.pack(time.monotonic()))
        # Only now seen: a file that nobody holds is of somebody who ended.
        aside.rename(folder / str(os.getpid()))
        self._moment = mmap.mmap(self._file.fileno(), _MOMENT.size)
        self._loop = asyncio.get_running_loop()
        self._beat()

    def _beat(self) -> None:
        _MOMENT.pack_into(self._moment, 0, time.monotonic())
        self._loop.call_later(BEAT_SECONDS, self._beat)


@contextmanager
def watched(folder: Path, seconds: float) -> Iterator[None]:
    """End workers whose heart has not beaten for so long, until the end of the block.

    Args:
        folder: Where they say so; empty.
        seconds: More than a few `BEAT_SECONDS`.
    """
    ended = threading.Event()

    def watch() -> None:
        last = time.monotonic()
        since = last
        while not ended.wait(BEAT_SECONDS):
            now = time.monotonic()
            if now - last > 3 * BEAT_SECONDS:
                # This process was held up itself, and perhaps the workers with it.
                since = now
            last = now
            if now - since > seconds:
                for file in folder.glob("[!.]*"):
                    _look(file, now - seconds, now)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _look(file: Path, oldest: float, now: float) -> None:
    """End the worker of a file whose last beat is older than `oldest`."""
    # One that was written this moment, or is gone: the next look shows more.
    with contextlib.suppress(OSError, struct.error), file.open("rb") as beats:
        try:
            fcntl.flock(beats, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            (beat,) = _MOMENT.unpack(beats.read(_MOMENT.size))
            if beat < oldest:
                _log.warning("worker_hung", worker=int(file.name), seconds=round(now - beat, 1))
                os.kill(int(file.name), signal.SIGKILL)
        else:
            file.unlink()
