"""Shelves of a release as one HTML page that needs no network."""

from __future__ import annotations

from collections.abc import Sequence

from colisten.pages import Page
from colisten.release.front import Shelf
from colisten.reports.render import render


def to_html(shelves: Sequence[Shelf], *, release_id: str, target_type: str, as_of: str) -> Page:
    """A whole page, the same bytes for the same shelves.

    Args:
        shelves: As `Release.shelves` gives them, in the order of the page.
        release_id, target_type, as_of: See `Manifest`.
    """
    title = f"Shelf of {shelves[0].user_id}" if len(shelves) == 1 else f"{len(shelves):,} shelves"
    return render(
        "shelf",
        title,
        shelves=shelves,
        release_id=release_id,
        target_type=target_type,
        as_of=as_of,
    )
