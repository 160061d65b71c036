from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from colisten.data.interactions import read_interactions
from colisten.errors import FeatureError
from colisten.features.starts import first_starts
from tests.conftest import CUT, DATA


def test_each_pair_appears_once_at_its_first_stream(tiny_history: Path) -> None:
    events = read_interactions(tiny_history, as_of=CUT).to_pylist()
    expected: dict[tuple[str, str], datetime] = {}
    for event in events:
        if event["signal"] == "stream" and event["item_type"] == "audiobook":
            expected.setdefault((event["user_id"], event["item_id"]), event["timestamp"])
    rows = first_starts(tiny_history, as_of=CUT, data=DATA).to_pylist()
    assert {(row["user_id"], row["item_id"]): row["timestamp"] for row in rows} == expected
    assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)


def test_nothing_at_or_after_the_moment(tiny_history: Path) -> None:
    everything = first_starts(tiny_history, as_of=CUT, data=DATA)
    moment = everything.column("timestamp")[everything.num_rows // 2].as_py()
    seen = first_starts(tiny_history, as_of=moment, data=DATA)
    assert 0 < seen.num_rows < everything.num_rows
    assert max(seen.column("timestamp").to_pylist()) < moment


def test_a_moment_without_zone_is_refused(tiny_history: Path) -> None:
    with pytest.raises(FeatureError, match="time zone"):
        first_starts(tiny_history, as_of=datetime(2025, 1, 1), data=DATA)
