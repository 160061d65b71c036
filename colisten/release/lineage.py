"""Which releases were live before, for when the live one cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from colisten.errors import ReleaseCorrupt
from colisten.release.journal import JOURNAL, Journal
from colisten.release.pointer import Pointer


def servable(releases: Path) -> list[str]:
    """What may be served from a releases folder, best first: the live one, then those before it.

    Where the pointer is there and cannot be read, the journal alone says it. Empty where none is
    live.
    """
    before = lineage(Journal(releases / JOURNAL).entries())
    try:
        pointer = Pointer.read(releases)
    except ReleaseCorrupt:
        return before
    if pointer is None:
        return []
    return [pointer.release_id, *(name for name in before if name != pointer.release_id)]


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
        if entry["event"] in ("promoted", "rolled_back"):
            stood = [*(one for one in stood if one != name), name]
    return stood[::-1]
