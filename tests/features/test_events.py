"""An event is refused with a reason, or it fits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from colisten.data.moments import CLOCK_SKEW, EARLIEST
from colisten.errors import EventRefused
from colisten.features.events import Event
from tests.conftest import ITEM_TYPES, SIGNALS

GOOD = Event("u1", "a1", "audiobook", "stream", datetime(2025, 3, 1, 12, tzinfo=UTC))


def test_a_good_event_passes_and_counts_microseconds() -> None:
    GOOD.check(ITEM_TYPES, SIGNALS)
    assert GOOD.time == int(GOOD.timestamp.timestamp()) * 1_000_000
    east = datetime(2025, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert replace(GOOD, timestamp=east).time == GOOD.time


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"user_id": ""}, "user_id is empty"),
        ({"item_id": " "}, "item_id is empty"),
        ({"user_id": "\ud800"}, "user_id is not valid Unicode"),
        ({"item_type": "film"}, "The item_type 'film' is unknown"),
        ({"signal": "liked"}, "The signal 'liked' is unknown"),
        ({"timestamp": datetime(2025, 3, 1)}, "no time zone"),
        ({"timestamp": datetime(1969, 3, 1, tzinfo=UTC)}, "before 1990"),
        ({"timestamp": EARLIEST - timedelta(microseconds=1)}, "before 1990"),
        ({"timestamp": datetime.now(UTC) + timedelta(days=1) + CLOCK_SKEW}, "in the future"),
    ],
)
def test_a_bad_event_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(EventRefused, match=words):
        replace(GOOD, **change).check(ITEM_TYPES, SIGNALS)  # type: ignore[arg-type]
