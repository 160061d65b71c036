"""Processes of ours end with the one that started them, however that one ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from colisten import keeper

_LOOK_SECONDS = 0.5


@contextmanager
def supervised(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A running command that ends, with all that it started, at the end of the block.

    It also ends when this process does, by whatever signal: `colisten.keeper` stands between.

    Args:
        command: Program and arguments.
        options: Of `subprocess.Popen`, but for its standard input.

    Yields:
        The keeper, whose exit code is the command's, or 128 and the signal that ended it.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", keeper.__file__, *command],
        stdin=subprocess.PIPE,
        # A group of its own, so that Ctrl-C reaches this process first, and both in order.
        start_new_session=True,
        **options,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(2 * keeper.GRACE_SECONDS)
        finally:
            # Nobody is left but where the keeper itself was killed.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def end_with(parent: int) -> None:
    """Send this process SIGTERM once `parent`, which started it, is gone.

    For programs that others start: the index server, workers under `torchrun`.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def lives(process: int) -> bool:
    """Whether there is a process of this id, whoever's it is."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
