"""When people listen: hours of the day and days of the week, per content type.

Time runs on two clocks. On the *world clock* (microseconds) audiobooks peak at night and on
weekends, podcasts on working days at commuting hours. On the *even clock* (days, float) listening
is uniform, so that draws and delays are made there and then carried over to the world clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from colisten.simulator.items import DAY
from colisten.simulator.settings import WorldSettings

_HOUR = DAY // 24
# Relative listening in each local hour of a day, from midnight.
_HOURS = {
    "audiobook": (7, 4, 2, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 8, 9, 11, 14, 17, 16, 12),
    "music": (4, 3, 2, 1, 1, 2, 5, 9, 10, 9, 9, 9, 9, 9, 9, 10, 11, 12, 12, 11, 11, 10, 8, 6),
    "podcast": (3, 2, 1, 1, 1, 3, 8, 15, 16, 10, 8, 8, 9, 8, 7, 8, 12, 16, 13, 9, 8, 7, 6, 4),
}
# Relative listening from Monday to Sunday.
_WEEKDAYS = {
    "audiobook": (0.9, 0.9, 0.9, 0.95, 1.0, 1.25, 1.35),
    "music": (0.95, 0.95, 0.95, 1.0, 1.1, 1.1, 0.95),
    "podcast": (1.1, 1.15, 1.15, 1.1, 1.0, 0.75, 0.75),
}


@dataclass(frozen=True)
class Rhythm:
    """One type's clocks over the window.

    Attributes:
        edges: World clock at each hour's start in the window, int64 [hours + 1].
        even: Even clock at the same moments, in days from 0 to `days`, float64 [hours + 1].
    """

    edges: np.ndarray
    even: np.ndarray

    @classmethod
    def of(cls, item_type: str, settings: WorldSettings) -> Rhythm:
        """The rhythm of one type in local time."""
        start: datetime = settings.start_moment
        days = np.arange(settings.days)
        weekday = (start.weekday() + days) % 7
        weights = np.outer(
            np.asarray(_WEEKDAYS[item_type])[weekday], np.asarray(_HOURS[item_type])
        ).ravel()
        even = np.concatenate([[0.0], np.cumsum(weights)])
        first = int(start.timestamp()) * 1_000_000
        edges = first + np.arange(settings.days * 24 + 1, dtype=np.int64) * _HOUR
        return cls(edges, even * (settings.days / even[-1]))

    def to_even(self, moments: np.ndarray, utc_offset: np.ndarray) -> np.ndarray:
        """UTC microseconds to the even clock of local time, clipped to the window."""
        local = moments + utc_offset * _HOUR - self.edges[0]
        return np.asarray(np.interp(local, self.edges - self.edges[0], self.even))

    def to_world(self, even: np.ndarray, utc_offset: np.ndarray) -> np.ndarray:
        """Even clock of local time to UTC microseconds, int64.

        Args:
            even: Days on the even clock of the listener's local time.
            utc_offset: Hours that the listener is ahead of UTC, same shape.

        Returns:
            Moments; those of the first and last local hours may lie outside of the window.
        """
        local = np.interp(even, self.even, self.edges - self.edges[0]).astype(np.int64)
        return np.asarray(self.edges[0] + local - utc_offset * _HOUR)
