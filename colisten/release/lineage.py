"""Which releases were live before, for when the live one cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from colisten.errors import ReleaseCorrupt
from colisten.release.journal import JOURNAL, Journal
from colisten.release.pointer import POINTER, Pointer

MADE_LIVE = ("promoted", "rolled_back")
"""Events of the journal after which a release is live."""


def servable(releases: Path) -> list[str]:
    """What may be served from a releases folder, best first: the live one, then those before it.

    Where the pointer is there and cannot be read or believed, the journal alone says it. Empty
    where none is live.
    """
    before = lineage(Journal(releases / JOURNAL).entries())
    try:
        pointer = journaled_pointer(releases)
    except ReleaseCorrupt:
        return before
    if pointer is None:
        return []
    return [pointer.release_id, *(name for name in before if name != pointer.release_id)]


def journaled_pointer(releases: Path) -> Pointer | None:
    """The pointer of a releases folder, where the journal says that it was moved there.

    A line is written before the pointer moves, so a writer that was killed in between leaves one
    that still names the release of before. None before anything was promoted.

    Raises:
        ReleaseCorrupt: The file is no pointer, or nothing promoted what it names.
    """
    pointer = Pointer.read(releases)
    if pointer is None:
        return None
    made = [one for one in Journal(releases / JOURNAL).entries() if one["event"] in MADE_LIVE]
    latest = made[-1] if made else {}
    known = {one["release_id"] for one in made} | {None}
    meant = (latest.get("release_id"), latest.get("previous"))
    if pointer.release_id not in meant or pointer.previous not in known:
        raise ReleaseCorrupt(
            f"{releases / POINTER} names {pointer.release_id}, and no line of {JOURNAL} says that "
            "it was made live.",
            "`colisten release promote ID` makes a release live.",
        )
    return pointer


def lineage(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Releases that were made live, latest first, each once.

    One that was rolled back from is not among them: somebody left it on purpose. Neither is one
    that was pruned.

    Args:
        entries: Of the journal, oldest first.
    """
    stood: list[str] = []
    for entry in entries:
        name = str(entry["release_id"])
        left = entry.get("previous") if entry["event"] == "rolled_back" else None
        gone = name if entry["event"] == "pruned" else left
        if gone is not None:
            stood = [one for one in stood if one != gone]
        if entry["event"] in MADE_LIVE:
            stood = [*(one for one in stood if one != name), name]
    return stood[::-1]
