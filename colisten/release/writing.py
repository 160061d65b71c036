"""One writer of a releases folder at a time, over what earlier ones left."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colisten.errors import ReleaseError
from colisten.files import sweep_partials
from colisten.logs import logger

LOCK_SECONDS = 600.0
_LOOK_SECONDS = 0.05

log = logger("release")


@contextmanager
def writers_turn(releases: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the folder for writing; made where it is missing.

    Args:
        releases: The folder.
        seconds: How long another writer is waited for.

    Raises:
        ReleaseError: It goes on writing.
    """
    releases.mkdir(parents=True, exist_ok=True)
    # The kernel frees the lock with its holder, however that one ends.
    with (releases / ".lock").open("w") as lock:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ReleaseError(
                        f"Another process has been writing to {releases} for {seconds:.0f} s.",
                        "Wait for it, or end it.",
                    ) from None
                time.sleep(_LOOK_SECONDS)
        for left in sweep_partials(releases):
            log.info("removed what a killed writer left", path=str(left))
        yield
