"""An event is judged whole before anything is stored, whoever brings it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.data.catalogue import Catalogue
from colisten.data.ids import id_fault
from colisten.data.moments import clock_fault
from colisten.errors import EventRefused, ReleaseCorrupt
from colisten.features.events import Event
from colisten.index import ExactIndex
from colisten.release.recording import Recorded, live_items, record_event
from colisten.release.store import ReleaseStore
from tests.conftest import CUT, FIELDS, ITEM_TYPES, SIGNALS
from tests.release.payloads import make_parts

GOOD = Event("u1", "a001", "audiobook", "stream", datetime(2025, 7, 1, tzinfo=UTC))
EVENTS = st.builds(
    Event,
    user_id=st.sampled_from(["u1", "", " \n", "\0", "\ud800"]) | st.text(max_size=5),
    item_id=st.sampled_from(["a001", "p001", "a999", "", "\ud800"]),
    item_type=st.sampled_from([*ITEM_TYPES, "film"]),
    signal=st.sampled_from([*SIGNALS, "like"]),
    timestamp=st.sampled_from(
        [
            GOOD.timestamp,
            GOOD.timestamp.replace(tzinfo=None),
            datetime(1969, 12, 31, tzinfo=UTC),
            datetime.now(UTC) + timedelta(days=1),
        ]
    ),
)


@pytest.fixture(scope="module")
def catalogue(tiny_history: Path) -> Catalogue:
    return Catalogue.read(tiny_history)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=EVENTS, live=st.booleans())
def test_nothing_is_stored_of_an_event_that_no_history_may_hold(
    catalogue: Catalogue, event: Event, live: bool
) -> None:
    stored: list[Event] = []
    types = {"a001": "audiobook", "p001": "podcast"} if live else {}
    faults: dict[str, Any] = {
        "user_id": id_fault(event.user_id),
        "item_id": id_fault(event.item_id),
        "item_type": event.item_type not in ITEM_TYPES
        or event.item_type != types.get(event.item_id, event.item_type),
        "signal": event.signal not in SIGNALS,
        "timestamp": clock_fault(event.timestamp),
    }
    items = catalogue if live else None

    def push(judged: Event) -> bool:
        stored.append(judged)
        return True

    if any(faults.values()):
        with pytest.raises(EventRefused) as caught:
            record_event(event, FIELDS, items, push)
        assert faults[caught.value.field]
        assert stored == []
    else:
        known = event.item_id in types if live else None
        assert record_event(event, FIELDS, items, push) == Recorded(True, known)
        assert stored == [event]


def test_what_the_store_says_is_handed_on(catalogue: Catalogue) -> None:
    assert record_event(GOOD, FIELDS, catalogue, lambda _: False) == Recorded(False, True)
    assert record_event(
        replace(GOOD, item_id="a999"), FIELDS, catalogue, lambda _: True
    ) == Recorded(True, False)


def test_the_live_releases_items_are_read_alone(tiny_history: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert live_items(out) is None
    store, index = ReleaseStore(out), ExactIndex(out / "index" / "exact")
    payload = make_parts(tmp_path / "parts", tiny_history, CUT).payload(tmp_path / "payload")
    release_id = store.publish(payload, index)
    assert live_items(out) is None
    store.promote(release_id, index)
    items = live_items(out)
    assert items is not None
    assert items.item_types[items.index_of(["p001"])].tolist() == ["podcast"]
    (store.folder(release_id) / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReleaseCorrupt, match="Cannot read"):
        live_items(out)
