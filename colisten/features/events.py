"""One fresh listening event, as it reaches the online history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from colisten.data.moments import clock_fault, microseconds
from colisten.errors import EventRefused
from colisten.sections import ITEM_TYPES, SIGNALS


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
        return microseconds(self.timestamp)

    def check(self) -> None:
        """Refuse what no history may hold.

        Raises:
            EventRefused: An id is empty, the type or signal is unknown, or the moment is none
                at which anything can have happened (`colisten.data.moments`): an event of the
                future would stay the newest, against which all others are aged.
        """
        if not self.user_id or not self.item_id:
            raise EventRefused("An event needs a user_id and an item_id.")
        if self.item_type not in ITEM_TYPES:
            raise EventRefused(
                f"Unknown item_type '{self.item_type}'.", f"Types are {', '.join(ITEM_TYPES)}."
            )
        if self.signal not in SIGNALS:
            raise EventRefused(
                f"Unknown signal '{self.signal}'.", f"Signals are {', '.join(SIGNALS)}."
            )
        if fault := clock_fault(self.timestamp):
            raise EventRefused(
                f"The moment {self.timestamp} {fault}.", "Send when it happened, in UTC."
            )
