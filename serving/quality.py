"""What a shelf is worth to whoever asked for it: one word, counted of every shelf.

A status cannot say it: popular items for a known user are an answer and no error, and so is a shelf
without titles. Objectives and alerts are made of this word.
"""

from __future__ import annotations

from typing import Literal, get_args

from colisten.serving import metrics
from colisten.serving.answers import Shelf

Quality = Literal["personal", "unknown", "popular", "planned", "empty"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
# All of them are there before the first shelf: of a series that begins with its first count a rate
# sees nothing.
_COUNTS = {one: metrics.QUALITY.labels(one) for one in QUALITIES}


def counted(shelf: Shelf, *, planned: bool) -> Quality:
    """What a shelf that is about to be answered is worth; see `quality_of`. It is counted."""
    worth = quality_of(shelf, planned=planned)
    _COUNTS[worth].inc()
    return worth


def quality_of(shelf: Shelf, *, planned: bool) -> Quality:
    """How good a shelf is.

    personal  made for this user
    unknown   popular items, since nothing is known of the user
    popular   popular items for want of something: features, tower, search
    planned   popular items, which the user's arm shows to everybody
    empty     no title: by what was asked, or because the user had them all

    Args:
        shelf: Before anything is withheld from it.
        planned: Whether its arm shows what is popular.
    """
    if not shelf.items:
        return "empty"
    if planned:
        return "planned"
    if shelf.how.search != "popular":
        return "personal"
    return "unknown" if "user_unknown" in shelf.how.fallbacks else "popular"
