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
        ReleaseError: It goes on writing, or the file system cannot keep writers apart.
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
        check_lock(releases / ".lock")
        for left in sweep_partials(releases):
            log.info("removed what a killed writer left", path=str(left))
        yield


def check_lock(held: Path) -> None:
    """Refuse a file system that lets two hold the lock of one file.

    Args:
        held: The file of a lock that this process holds.

    Raises:
        ReleaseError: It does, as mounts of object stores do.
    """
    # A lock belongs to whoever opened the file: to open it again is to be another one.
    with held.open("ab") as other:  # NFS locks what is open for writing
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError as error:
            raise ReleaseError(
                f"The file system of {held.parent} knows no locks: {error}.",
                "Put it on a local disk or NFS, or give the bucket itself: s3://bucket/prefix.",
            ) from error
    raise ReleaseError(
        f"The file system of {held.parent} lets two writers hold one lock.",
        "Put it on a local disk or NFS, or give the bucket itself: s3://bucket/prefix.",
    )
