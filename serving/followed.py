"""Which release a worker is to answer from: what the pointer says, or one by its name."""

from __future__ import annotations

from typing import Protocol

from colisten.release.lineage import servable
from colisten.release.pointer import POINTER
from colisten.release.store import ReleaseStore
from colisten.serving.parts import RELEASE

Identity = tuple[int, int]


class Followed(Protocol):
    """What a `ReleaseWatcher` follows."""

    @property
    def part(self) -> str:
        """Under which name /v1/release says how it is."""

    def identity(self) -> Identity | None:
        """Another one whenever it may name another release."""

    def release_id(self) -> str | None:
        """The release that is meant; None where none is."""

    def instead(self) -> list[str]:
        """What may answer at the start where that one cannot, best first."""


class LivePointer:
    """The live release of an output folder, whichever that is.

    Args:
        store: The folder's releases.
    """

    part = RELEASE

    def __init__(self, store: ReleaseStore) -> None:
        self._store = store

    def identity(self) -> Identity | None:
        """Of the pointer's file: it is replaced by a rename, so a new one is a new file."""
        try:
            status = (self._store.releases / POINTER).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def release_id(self) -> str | None:
        """What the pointer says; raises ReleaseCorrupt where it says nothing that can be read."""
        return self._store.live()

    def instead(self) -> list[str]:
        """The releases that were live before."""
        return servable(self._store.releases)


def arm_part(arm: str) -> str:
    """Under which name /v1/release says how the release of an arm is."""
    return f"arm {arm}"


class NamedRelease:
    """One release, live or not.

    Args:
        arm: That shows it.
        release_id: Its name.
    """

    def __init__(self, arm: str, release_id: str) -> None:
        self.part = arm_part(arm)
        self._release_id = release_id

    def identity(self) -> Identity | None:
        """Always the same: it is read once, and again only where that failed."""
        return 0, 0

    def release_id(self) -> str | None:
        """Its name."""
        return self._release_id

    def instead(self) -> list[str]:
        """None: the live release answers, and the answer says so."""
        return []
