"""What an answer leaves unsaid: who is known, and what led to a title.

A shelf is seen by more people than the one it is made for, and asked for by whoever reaches the
service. Why a title stands there tells of its user's history and country; that nothing is known of
an id tells whose is known. Settings may keep both in: `serving.say_why`, `serving.say_unknown`.
"""

from __future__ import annotations

from colisten.serving import metrics
from colisten.serving.answers import Shelf
from colisten.settings.sections import ServingSettings

_UNKNOWN = "user_unknown"


def withhold(shelf: Shelf, serving: ServingSettings) -> None:
    """Take out of a shelf what settings keep in; what is left out of it is counted all the same."""
    if not serving.say_why:
        for item in shelf.items:
            item.why = item.explanation = None
    if not serving.say_unknown and _UNKNOWN in shelf.how.fallbacks:
        metrics.FALLBACKS.labels(_UNKNOWN).inc()
        shelf.how.fallbacks.remove(_UNKNOWN)
