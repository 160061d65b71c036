"""What moved, since when, the likeliest cause and what to do: from checks to a paragraph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from colisten.monitoring.check import Check, Kind
from colisten.monitoring.limits import ENOUGH

Verdict = Literal["quiet", "moved", "unknown"]

_ORDER: tuple[Kind, ...] = get_args(Kind)

TITLES: dict[Kind, str] = {
    "column": "a column is gone",
    "nulls": "values are missing",
    "text_vectors": "text vectors are not those of their items",
    "stale": "something is stale",
    "users_gone": "users are gone from the users table",
    "volume": "there is less or more of everything",
    "categories": "categories came or went",
    "skew": "serving reads other features than training",
    "release": "the release answers otherwise than the one before it",
    "taste": "users listen to other things",
    "mix": "who the users are, or how much they do, has changed",
    "vectors": "the release sees its users otherwise",
}
"""The likeliest cause in words, by the kind of check that moved."""

_TO_DO: dict[Kind, str] = {
    "column": "Ask whoever delivers the table; do not publish what was learned without the column.",
    "nulls": "Ask whoever delivers the column what changed then; train again once it is whole.",
    "text_vectors": "Do not publish: encode the texts again (remove OUT/cache/text) and look at "
    "the encoder's version.",
    "stale": "Look at the job that should have brought it; what is served ages by the day.",
    "users_gone": "Ask whoever delivers users.parquet whether they were meant to go.",
    "volume": "Look at the delivery of interactions for the days of the window, then at the app.",
    "categories": "Check whether they are spelled anew; if they are real, train again with them.",
    "skew": "Compare how the two are computed; answers are worth less until they are one.",
    "release": "Look at its lists (`colisten explain`) before it stays live; `colisten release "
    "rollback` brings the one before back.",
    "taste": "Train again: the release has learned another taste.",
    "mix": "Train again, and look at the evaluation by group of users.",
    "vectors": "Train again if users moved; look at the features if they did not.",
}


@dataclass(frozen=True)
class Cause:
    """A cause, and what speaks for it.

    Attributes:
        cause: Kind of its checks.
        of: What moved, the strongest first as far as that can be said.
        since: Beginning of the first window in which any of it was so.
        title: The cause in words.
        says: What moved, in sentences.
        do: What to do.
    """

    cause: Kind
    of: tuple[str, ...]
    since: datetime | None
    title: str
    says: tuple[str, ...]
    do: str


def causes_of(checks: Sequence[Check]) -> tuple[Cause, ...]:
    """Causes of what moved, the likeliest first: those that explain others before these."""
    causes = []
    for kind in _ORDER:
        moved = sorted((one for one in checks if one.kind == kind and one.moved), key=_strength)
        if moved:
            starts = [one.since for one in moved if one.since is not None]
            causes.append(
                Cause(
                    kind,
                    tuple(one.of for one in moved),
                    min(starts) if starts else None,
                    TITLES[kind],
                    tuple(one.says for one in moved),
                    _TO_DO[kind],
                )
            )
    return tuple(causes)


def verdict_of(checks: Sequence[Check]) -> Verdict:
    """`moved` where anything did, `unknown` where nothing could be judged, `quiet` else."""
    if any(one.moved for one in checks):
        return "moved"
    return "quiet" if any(one.judged != "not" for one in checks) else "unknown"


def judged_by(windows: int) -> str:
    """By what limits, in words.

    Args:
        windows: Earlier windows with enough users.
    """
    if windows >= ENOUGH:
        return f"Limits are learned from {windows} earlier windows."
    there = {0: "There is no earlier window", 1: "There is one earlier window"}.get(
        windows, f"There are {windows} earlier windows"
    )
    return (
        f"{there} with enough users; {ENOUGH} are needed to know what is usual. Until then fixed "
        "limits stand in, which show gross changes alone."
    )


def paragraph(checks: Sequence[Check], causes: Sequence[Cause], windows: int) -> str:
    """What moved, since when, likeliest cause, what to do; one paragraph."""
    verdict = verdict_of(checks)
    if verdict == "unknown":
        return f"Nothing can be judged yet. {judged_by(windows)}"
    if verdict == "quiet":
        return f"Nothing moved beyond its limits. {judged_by(windows)}"
    first = causes[0]
    others = len(first.says) - 1
    more = f", and {others} more like it" if others else ""
    since = f", since {first.since:%Y-%m-%d}" if first.since is not None else ""
    text = f"{first.says[0][:1].upper()}{first.says[0][1:]}{more}{since}. "
    text += f"Likeliest cause: {first.title}. What to do: {first.do} "
    if len(causes) > 1:
        rest = "; ".join(one.title for one in causes[1:])
        text += f"Also moved, which this may explain: {rest}. "
    return text + judged_by(windows)


def _strength(check: Check) -> tuple[float, str]:
    """Orders checks of a kind by how far beyond their limit they are, the farthest first."""
    if check.value is None:
        return (float("-inf"), check.of)
    if check.high is not None and check.value > check.high:
        return (-(check.value - check.high) / max(abs(check.high), 1e-9), check.of)
    if check.low is not None:
        return (-(check.low - check.value) / max(abs(check.low), 1e-9), check.of)
    return (0.0, check.of)
