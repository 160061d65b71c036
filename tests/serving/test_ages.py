"""Metrics say how old what is served is, and what the last drift report found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prometheus_client import REGISTRY

from colisten.features.names import TIMESTAMP
from colisten.index.exact import ExactIndex
from colisten.monitoring.drift import drift_report
from colisten.release.feature_files import features_of
from colisten.release.store import ReleaseStore
from colisten.serving.active_release import ActiveRelease
from colisten.serving.ages import Ages
from colisten.serving.environment import Environment
from colisten.serving.requests import EventRequest
from colisten.serving.runtime import Runtime
from colisten.serving.tower_place import InProcess
from tests.conftest import CUT
from tests.monitoring.test_drift import users
from tests.serving.conftest import BARE, Home


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"colisten_{name}", labels)


def moment(of: str) -> float | None:
    return gauge("release_timestamp_seconds", of=of)


def drift() -> Mapping[str, float | None]:
    counts = {one: gauge("drift_columns", outcome=one) for one in ("compared", "drifted")}
    return {**counts, "causes": gauge("drift_causes"), "until": gauge("drift_timestamp_seconds")}


def test_of_a_release_it_is_when_it_was_made_and_how_far_it_reads(
    home: Home, tmp_path: Path
) -> None:
    store = ReleaseStore(home.folder)
    active = ActiveRelease.load(
        store, home.ids[0], Environment(home.folder, BARE), None, InProcess()
    )
    try:
        Ages(tmp_path).tell(active)
    finally:
        active.close()
    assert moment("cut") == CUT.timestamp()
    state = next(one for one in store.list() if one.release_id == home.ids[0])
    assert state.published_at is not None
    assert moment("made") == datetime.fromisoformat(state.published_at).timestamp()
    # Not the cut: what the tables had, which may have ended before it.
    folder = features_of(home.folder, active.release.manifest)
    newest = max(
        max(pq.read_table(file, columns=[TIMESTAMP]).column(0).to_pylist())
        for file in (folder / "sources").glob("user_*_history.parquet")
    )
    assert moment("features") == newest.timestamp() < CUT.timestamp()


def test_a_release_that_no_line_speaks_of_is_as_old_as_its_cut(
    published: tuple[ReleaseStore, ExactIndex, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _, ids = published
    monkeypatch.setattr("colisten.release.journal.Journal.moments", lambda *_: [])
    active = ActiveRelease.load(store, ids[0], Environment(store.root, BARE), None, InProcess())
    active.close()
    assert active.made_at == CUT


def test_of_drift_it_is_what_the_report_says_for_as_long_as_it_lies_there(
    runtime: Runtime, tmp_path: Path
) -> None:
    active = runtime._watcher.current
    assert active is not None
    ages = Ages(tmp_path)
    ages.tell(active)
    assert drift() == {"compared": 0, "drifted": 0, "causes": 0, "until": 0}
    page = tmp_path / "reports" / "drift.html"
    drift_report(users(0), users(1, shift=10), page, until=CUT)
    ages.tell(active)
    assert drift() == {"compared": 4, "drifted": 1, "causes": 1, "until": CUT.timestamp()}
    # As reports of before: without a moment, and without causes.
    before: dict[str, object] = {
        "columns": dict.fromkeys("abcd", 0.1),
        "drifted": [],
        "until": None,
    }
    page.with_suffix(".json").write_text(json.dumps(before))
    ages.tell(active)
    assert drift() == {"compared": 4, "drifted": 0, "causes": 0, "until": 0}
    for text in ("{", json.dumps({"columns": 3})):
        page.with_suffix(".json").write_text(text)
        ages.tell(active)
        # Nobody can read it, and an alert on old reports hears of that.
        assert drift() == {"compared": 0, "drifted": 0, "causes": 0, "until": 1}
    page.with_suffix(".json").unlink()
    ages.tell(active)
    assert drift() == {"compared": 0, "drifted": 0, "causes": 0, "until": 0}


def test_the_newest_event_counts_and_not_the_last_one_that_came(home: Home, tmp_path: Path) -> None:
    from colisten.serving.circuit_breaker import CircuitBreaker
    from colisten.serving.event_intake import EventIntake

    class Stored:
        """Where events go; whether they are kept is tested elsewhere."""

        key_space, types = ("a",), ("audiobook",)

        def push(self, event: object) -> bool:
            return True

    store = ReleaseStore(home.folder)
    active = ActiveRelease.load(
        store, home.ids[0], Environment(home.folder, BARE), None, InProcess()
    )
    object.__setattr__(active, "features", Stored())
    intake = EventIntake(CircuitBreaker("push", 2.0, failures=5, rest_seconds=1.0), None)
    days = [datetime(2025, 6, day, tzinfo=UTC) for day in (3, 7, 5)]
    try:
        for day in days:
            intake.take(
                active,
                EventRequest(
                    user_id="u0001",
                    item_id="a001",
                    item_type="audiobook",
                    signal="stream",
                    timestamp=day,
                ),
            )
    finally:
        intake.close()
        active.close()
    assert gauge("event_timestamp_seconds") == days[1].timestamp()
