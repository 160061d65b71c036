"""Which releases there are, and what each of them is to the pointer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from colisten.errors import ReleaseCorrupt
from colisten.release.journal import JOURNAL, Journal
from colisten.release.manifest import MANIFEST, Manifest
from colisten.release.pointer import Pointer


@dataclass(frozen=True)
class ReleaseState:
    """One line of the list.

    Attributes:
        release_id: Its name.
        state: live, previous, or candidate.
        as_of: The cut it was learned at.
        published_at, promoted_at: From the journal, latest; None where it has no line.
    """

    release_id: str
    state: str
    as_of: str
    published_at: str | None
    promoted_at: str | None


def release_states(releases: Path, pointer: Pointer | None) -> list[ReleaseState]:
    """All releases of a folder, latest published first."""
    journal, states = Journal(releases / JOURNAL), []
    for file in releases.glob(f"[!.]*/{MANIFEST}"):
        name = file.parent.name
        try:
            as_of = Manifest.read(file.parent).as_of
        except ReleaseCorrupt:
            as_of = "unreadable"
        state = "candidate"
        if pointer is not None and name in (pointer.release_id, pointer.previous):
            state = "live" if name == pointer.release_id else "previous"
        published = journal.moments("published", name)
        promoted = journal.moments("promoted", name)
        states.append(
            ReleaseState(
                name,
                state,
                as_of,
                published[-1] if published else None,
                promoted[-1] if promoted else None,
            )
        )
    return sorted(
        states, key=lambda one: (one.published_at or "", one.as_of, one.release_id), reverse=True
    )
