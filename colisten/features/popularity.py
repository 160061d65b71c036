"""How popular each item had become by each day: decayed counts, point in time.

Recency decides much of what people choose next, and how much differs by person. So the towers are
given what an item's popularity was on the day of each example, at several half-lives at once: a
count in which an event weighs 0.5^(age / half-life), over events strictly before that day. A
whole day is the grain because a release is at best daily: training sees popularity as stale as
serving does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colisten.features.transform import MICROSECONDS_PER_DAY


class DailyPopularity:
    """Decayed counts of items, to be asked as of any day.

    Args:
        items: Item of each event [N] int64, in [0, num_items).
        times: Its moment [N] int64, microseconds since 1970 UTC.
        num_items: Items n.
        half_lives: Half-lives in days, H of them, each positive.
    """

    def __init__(
        self, items: np.ndarray, times: np.ndarray, num_items: int, half_lives: Sequence[float]
    ) -> None:
        self.num_items = num_items
        self.half_lives = np.asarray(half_lives, dtype=np.float64)
        days = day_of(times)
        self._first = int(days.min()) if len(days) else 0
        self._span = int(days.max()) - self._first + 2 if len(days) else 2
        # One entry for each item and day with events, by item and then day.
        self._keys, counts = np.unique(
            items.astype(np.int64) * self._span + (days - self._first), return_counts=True
        )
        self._items = self._keys // self._span
        self._days = self._keys % self._span
        self._after = self._run(counts.astype(np.float64))

    def at(self, days: np.ndarray, items: np.ndarray | None = None) -> np.ndarray:
        """log(1 + decayed count), of events strictly before each day.

        Args:
            days: Days since 1970 UTC [D] int64, see `day_of`.
            items: Items asked about [C]; None for all.

        Returns:
            float32 [D, C, H].
        """
        asked = np.arange(self.num_items) if items is None else np.asarray(items, np.int64)
        offset = np.asarray(days, np.int64) - self._first
        out = np.zeros((len(offset), len(asked), len(self.half_lives)), dtype=np.float32)
        if not len(self._keys):
            return out
        reach = asked[None, :] * self._span + np.clip(offset, 0, self._span - 1)[:, None]
        last = np.searchsorted(self._keys, reach, side="left") - 1
        seen = (last >= 0) & (self._items[last] == asked[None, :])
        day, column = np.nonzero(seen)
        entry = last[day, column]
        age = (offset[day] - self._days[entry])[:, None] / self.half_lives
        out[day, column] = np.log1p(self._after[entry] * np.exp2(-age))
        return out

    def _run(self, counts: np.ndarray) -> np.ndarray:
        """Decayed count just after each entry [entries, H]."""
        starts = np.flatnonzero(np.diff(self._items, prepend=-1))
        place = np.arange(len(counts)) - np.repeat(starts, np.diff(starts, append=len(counts)))
        order = np.argsort(place, kind="stable")
        borders = np.searchsorted(place[order], np.arange(1, int(place.max(initial=0)) + 1))
        after = np.repeat(counts[:, None], len(self.half_lives), axis=1)
        # All items' k-th entries together: as many rounds as the busiest item has days.
        for entries in np.split(order, borders)[1:]:
            gap = (self._days[entries] - self._days[entries - 1])[:, None]
            after[entries] += after[entries - 1] * np.exp2(-gap / self.half_lives)
        return after


def day_of(times: np.ndarray) -> np.ndarray:
    """Days since 1970 UTC of moments in microseconds, int64."""
    days: np.ndarray = np.asarray(times, np.int64) // MICROSECONDS_PER_DAY
    return days
