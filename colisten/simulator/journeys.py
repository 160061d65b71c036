"""Weak signals on the way to a stream: what a user does on one audiobook before starting it.

A journey is a chain of weak signals whose neighbours co-occur as the paper publishes (figure 4),
and whose odds of ending in a stream grow with a follow, a preview or an intent to pay as its
logistic regressions say: +118 %, +18 %, +13 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PREVIEW, INTENT, FOLLOW = 0, 1, 2
"""Codes of the weak signals, in the order of `settings.SIGNALS`."""
STREAM = 3
"""Code of a stream."""
LONGEST = 9
"""Most weak signals of one journey."""

# Weak signal (row) beside weak signal (column), in the order of the codes above; rows are scaled
# to one. The published matrix is symmetric up to row scale, so a chain may be walked either way. A
# follow stands beside a follow a little more often than published, since chains end in few follows.
_BESIDE = np.array([[0.46, 0.43, 0.066], [0.15, 0.69, 0.085], [0.10, 0.32, 0.57]])
# What stands right before the end: published shares beside a stream, divided by what each
# signal adds to the chance of one.
_LAST = np.array([0.17, 0.73, 0.065])
# Log odds that each kind of signal adds: ln 1.18, ln 1.13, ln 2.18. A follow's share is a little
# larger than published because the spread of tastes below flattens the odds that one measures.
_ADDS = np.array([0.17, 0.13, 0.82])
_BASE = -1.15
_MATCH = 0.35
"""Log odds that one standard deviation of taste match adds."""
_MORE = 2.6
"""Mean weak signals of a journey after its first."""


@dataclass(frozen=True)
class Journeys:
    """Weak signals of some (user, audiobook) pairs.

    Attributes:
        signals: Codes in time order, padded with -1 in front, int8 [j, LONGEST].
        streamed: Whether a stream follows, bool [j].
    """

    signals: np.ndarray
    streamed: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Weak signals of each journey, int64 [j]."""
        return np.asarray((self.signals >= 0).sum(axis=1))


def draw_journeys(match: np.ndarray, rng: np.random.Generator) -> Journeys:
    """Draw a journey for each pair.

    Args:
        match: How well user and audiobook match, about standard normal, [j].
    """
    count = len(match)
    lengths = np.minimum(1 + rng.poisson(_MORE, count), LONGEST)
    signals = np.full((count, LONGEST), -1, dtype=np.int8)
    towards = np.cumsum(_BESIDE / _BESIDE.sum(axis=1, keepdims=True), axis=1)
    last = np.cumsum(_LAST / _LAST.sum())
    current = _draw(np.broadcast_to(last, (count, 3)), rng)
    for step in range(LONGEST):
        alive = step < lengths
        signals[alive, LONGEST - 1 - step] = current[alive]
        current = _draw(towards[current], rng)
    seen = np.stack([(signals == code).any(axis=1) for code in range(3)], axis=1)
    odds = _BASE + seen @ _ADDS + _MATCH * match
    return Journeys(signals, _systematic(1.0 / (1.0 + np.exp(-odds)), seen @ [1, 2, 4], rng))


def _systematic(chance: np.ndarray, group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw each row by its chance so that every group gets its expected number, rounded.

    Independent draws would leave a small world's measured odds far from the planted ones.
    """
    order = np.lexsort((rng.random(len(chance)), group))
    passed = np.floor(np.cumsum(chance[order]) + rng.random())
    drawn = np.empty(len(chance), dtype=bool)
    drawn[order] = np.diff(passed, prepend=0.0) > 0
    return drawn


def _draw(cumulative: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    draws = rng.random(len(cumulative))[:, None]
    return np.asarray((draws >= cumulative[:, :-1]).sum(axis=1))
