"""Answers of a service whose releases change from day to day, held against what they should be."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.http_load import Answers
from benchmarks.shelf_labels import Shown

PERSONAL = "two_tower exact"
"""What an answer says of itself that is made of what its user did, by everything that it needs."""
_SEEN_SECONDS = 0.5
"""By how much a swap of online rows may be noticed too late."""


class Lived(NamedTuple):
    """A release that was served.

    Attributes:
        since: Moment of `time.time` at which the pointer named it.
        release_id: Its name.
        followed: Moment at which every worker was known to answer by it.
        by: What made it live.
    """

    since: float
    release_id: str
    followed: float
    by: str


class Answer(NamedTuple):
    """One answer.

    Attributes:
        asked, ended: Moments of `time.time`.
        shelf: What it showed; None where it is no shelf.
    """

    asked: float
    ended: float
    shelf: Shown | None


@dataclass
class Seen:
    """What was served so far.

    Attributes:
        lives: In the order of the moments.
        shelves: By release and user, the titles that were told when asked by themselves.
        swaps: Moments at which online rows were swapped.
        asked: Moments at which everybody's shelf had been told by itself.
    """

    lives: list[Lived] = field(default_factory=list)
    shelves: dict[tuple[str, str], set[tuple[str, ...]]] = field(default_factory=dict)
    swaps: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def told(self, shelf: Shown) -> bool:
        """Whether a release told a user the same when asked by itself."""
        return shelf.items in self.shelves.get((shelf.release_id, shelf.user_id), ())

    def live(self, asked: float, ended: float) -> set[str]:
        """Releases by which a request may be answered."""
        ends = [*(one.followed for one in self.lives[1:]), math.inf]
        return {
            one.release_id
            for one, end in zip(self.lives, ends, strict=True)
            if one.since <= ended and asked <= end
        }

    def between(self, moment: float) -> bool:
        """Whether online rows had been swapped, and nobody had been asked by itself since."""
        return any(
            swap - _SEEN_SECONDS
            <= moment
            <= min((at for at in self.asked if at > swap), default=math.inf)
            for swap in self.swaps
        )


def each_answer(pieces: list[Answers]) -> list[Answer]:
    """One after the other."""
    return [
        Answer(float(ended - seconds), float(ended), shelf)
        for piece in pieces
        for ended, seconds, shelf in zip(piece.ended, piece.seconds, piece.labels, strict=True)
    ]


def judged(
    answers: list[Answer], seen: Seen, catalogues: dict[str, frozenset[str]]
) -> dict[str, Any]:
    """How many answers are not as they should be, by what is wrong; and how soon was followed."""
    given = [(one, one.shelf) for one in answers if one.shelf is not None]
    personal = [(one, shelf) for one, shelf in given if shelf.rung == PERSONAL]
    unlike = [one for one, shelf in personal if not seen.told(shelf)]
    between = sum(seen.between(one.ended) for one in unlike)
    return {
        "requests": len(answers),
        "failed": len(answers) - len(given),
        "not_live": sum(
            shelf.release_id not in seen.live(one.asked, one.ended) for one, shelf in given
        ),
        "foreign_titles": sum(
            not catalogues.get(shelf.release_id, frozenset()) >= {*shelf.items}
            for _, shelf in given
        ),
        "mixed": len(unlike) - between,
        "while_rows_were_swapped": between,
        "rungs": dict(Counter(shelf.rung for _, shelf in given).most_common()),
        "followed": _followed(given, seen.lives),
    }


def _followed(given: list[tuple[Answer, Shown]], lives: list[Lived]) -> list[dict[str, Any]]:
    """Of each change the seconds until the first answer by the new and the last by the old."""
    rows = []
    ends = [*(one.since for one in lives[2:]), math.inf]
    for old, new, end in zip(lives, lives[1:], ends, strict=False):
        after = [
            (one.ended - new.since, shelf.release_id)
            for one, shelf in given
            if new.since <= one.ended < end
        ]
        first = min((at for at, name in after if name == new.release_id), default=None)
        last = max((at for at, name in after if name == old.release_id), default=0.0)
        rows.append(
            {
                "by": new.by,
                "first_seconds": None if first is None else round(first, 2),
                "last_of_the_old_seconds": round(last, 2),
            }
        )
    return rows
