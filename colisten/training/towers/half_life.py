"""Which half-life of popularity tells what people will start in the days that a model must last.

A week's favourites foretell the next day best and a long window badly, or not, as a data set has
it. Windows of the full length that lie before the cut can tell, without any training: popularity at
their first day against what was started in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colisten.features.popularity import DailyPopularity, day_of

_WINDOWS = 5
# Fewer starts, before a window or in it, say little.
_STARTS = 100
# By so much another half-life must be better; windows few as these differ by less from chance.
_MARGIN = 1.1


def nearest_half_life(half_lives: Sequence[float], days: int) -> int:
    """The half-life nearest to so many days, by ratio; 0 where there is none.

    Of two as near the longer one.
    """
    return min(
        reversed(range(len(half_lives))),
        key=lambda at: abs(math.log(half_lives[at] / days)),
        default=0,
    )


def half_life_of_windows(
    popularity: DailyPopularity, items: NDArray[np.int64], times: NDArray[np.int64], days: int
) -> int:
    """The half-life that ranks best what was started in up to five windows, the last ends the data.

    Measured by the mean reciprocal rank of a window's starts, every window counting the same. The
    nearest half-life to the window's length stays unless another is better by a tenth, and where no
    window has enough before it and in it.

    Args:
        popularity: Of the items, day by day.
        items: Item of each start [N].
        times: Its moment [N], microseconds since 1970 UTC.
        days: Length of a window.

    Returns:
        Its place.
    """
    own = nearest_half_life(popularity.half_lives.tolist(), days)
    if not len(times):
        return own
    day = day_of(times)
    end, ranks = int(day.max()) + 1, []
    for first in range(end - days, end - (_WINDOWS + 1) * days, -days):
        inside = items[(day >= first) & (day < first + days)]
        if min(len(inside), int((day < first).sum())) < _STARTS:
            break
        ranks.append(_reciprocal_ranks(popularity.at(np.array([first]))[0], inside))
    if not ranks:
        return own
    mean = np.mean(ranks, axis=0)
    best = int(mean.argmax())
    return best if mean[best] > _MARGIN * mean[own] else own


def _reciprocal_ranks(scores: NDArray[np.float32], own: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of 1 / rank of some items [n] by each column of scores [C, H], equal ones in between."""
    out = np.empty(scores.shape[1])
    for at, column in enumerate(scores.T):
        ordered = np.sort(column)
        above = len(ordered) - np.searchsorted(ordered, column[own], side="right")
        other = len(ordered) - np.searchsorted(ordered, column[own], side="left") - 1
        out[at] = np.mean(1.0 / (1.0 + (above + other) / 2.0))
    return out
