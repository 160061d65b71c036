"""Who holds which model of a server, across the processes of one output folder.

A model is unloaded by the last process that leaves it and by no other. Each holder has a shared
lock on a file; who gets it alone is the last. The kernel lets go of a killed process's locks, so
nothing is held for ever and nothing has to be cleaned up by whoever was killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

_SUFFIX = ".lease"


class Leases:
    """The leases of one server's models.

    Args:
        folder: Where their files lie, shared by the processes of an output folder.
        url: Of the server: another one's models are others.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._server = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:12]

    def take(self, model: str) -> Lease:
        """Hold a model, waiting for who unloads it just now; raises OSError where none can be."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._file(model)
        while True:
            held = file.open("ab")
            fcntl.flock(held, fcntl.LOCK_SH)
            if _is(held, file):
                return Lease(held)
            held.close()  # it was removed with the model it stood for

    @contextmanager
    def unheld(self) -> Iterator[list[str]]:
        """Models that processes left or were killed with, and that nobody takes meanwhile.

        Their files are removed at the end of the block, unless it raises.
        """
        with ExitStack() as stack:
            files = {}
            for file in sorted(self._folder.glob(f"*@{self._server}{_SUFFIX}")):
                with suppress(OSError):
                    lock = stack.enter_context(file.open("ab"))
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if _is(lock, file):
                        files[file.name.partition("@")[0]] = file
            yield list(files)
            for file in files.values():
                file.unlink(missing_ok=True)

    @contextmanager
    def loading(self, model: str) -> Iterator[None]:
        """One process at a time loads a model: a second load would load it anew."""
        with self._file(model).with_suffix(".loading").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _file(self, model: str) -> Path:
        return self._folder / f"{model}@{self._server}{_SUFFIX}"


class Lease:
    """One process's hold on a model."""

    def __init__(self, held: IO[bytes]) -> None:
        self._held = held

    def close(self) -> None:
        """Let go."""
        self._held.close()


def _is(lock: IO[bytes], file: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), file.stat())
    except FileNotFoundError:
        return False
