"""One fresh listening event, as it reaches the online history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from colisten.errors import FeatureError
from colisten.sections import ITEM_TYPES, SIGNALS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True)
class Event:
    """What a user just did.

    Attributes:
        timestamp: Moment with a zone.
    """

    user_id: str
    item_id: str
    item_type: str
    signal: str
    timestamp: datetime

    @property
    def time(self) -> int:
        """Microseconds since 1970 UTC."""
        return (self.timestamp - EPOCH) // timedelta(microseconds=1)

    def check(self) -> None:
        """Refuse what no history may hold.

        Raises:
            FeatureError: An id is empty, the type or signal is unknown, or the moment has no
                zone, lies before 1970 or more than a day ahead of this machine's clock (it would
                stay the newest event, against which all others are aged).
        """
        if not self.user_id or not self.item_id:
            raise FeatureError("An event needs a user_id and an item_id.")
        if self.item_type not in ITEM_TYPES:
            raise FeatureError(
                f"Unknown item_type '{self.item_type}'.", f"Types are {', '.join(ITEM_TYPES)}."
            )
        if self.signal not in SIGNALS:
            raise FeatureError(
                f"Unknown signal '{self.signal}'.", f"Signals are {', '.join(SIGNALS)}."
            )
        if self.timestamp.tzinfo is None:
            raise FeatureError(f"The moment {self.timestamp} has no time zone.", "Send UTC.")
        if self.timestamp < EPOCH:
            raise FeatureError(f"The moment {self.timestamp} lies before 1970.")
        if self.timestamp > datetime.now(UTC) + CLOCK_SKEW:
            raise FeatureError(f"The moment {self.timestamp} lies in the future.")
