"""One fresh listening event, as it reaches the online history."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from colisten.data.ids import id_fault
from colisten.data.moments import clock_fault, microseconds
from colisten.errors import EventRefused
from colisten.words import advice, shown


@dataclass(frozen=True)
class Event:
    """What a user just did.

    Attributes:
        timestamp: Moment with a zone.
        event_id: The sender's own name of it; None where it has none.
    """

    user_id: str
    item_id: str
    item_type: str
    signal: str
    timestamp: datetime
    event_id: str | None = None

    @property
    def time(self) -> int:
        """Microseconds since 1970 UTC."""
        return microseconds(self.timestamp)

    def check(self, types: Collection[str], signals: Collection[str]) -> None:
        """Refuse what no history may hold.

        Args:
            types: Item types that histories are kept of.
            signals: Signals that they hold.

        Raises:
            EventRefused: An id is none (`colisten.data.ids`), the type or signal is unknown, or
                the moment is none at which anything can have happened (`colisten.data.moments`):
                an event of the future would stay the newest, against which all others are aged.
        """
        own = () if self.event_id is None else (("event_id", self.event_id),)
        for field, value in (("user_id", self.user_id), ("item_id", self.item_id), *own):
            if fault := id_fault(value):
                raise EventRefused(f"The {field} {fault}.", field=field)
        # Before the words: over HTTP the body is judged before anybody knows the live release's.
        check_moment(self.timestamp)
        _one_of(self.item_type, types, "item_type")
        _one_of(self.signal, signals, "signal")


def check_moment(moment: datetime) -> None:
    """Refuse a moment at which nothing can have happened (`colisten.data.moments`).

    Raises:
        EventRefused: It has no zone, is too early or lies in the future.
    """
    if fault := clock_fault(moment):
        do = "Send when it happened, in UTC."
        raise EventRefused(f"The moment {moment} {fault}.", do, field="timestamp")


def _one_of(value: str, known: Collection[str], field: str) -> None:
    if value not in known:
        what = f"The {field} {shown(value)} is unknown."
        raise EventRefused(what, advice(value, known), field=field)
