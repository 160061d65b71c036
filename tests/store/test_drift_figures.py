"""A service that follows a store knows the drift that a run left there."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from colisten.monitoring.drift import drift_report
from colisten.serving.environment import Environment
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket
from colisten.store.drift_figures import FIGURES, fetch_drift
from colisten.store.mirror import Mirror
from colisten.store.pushing import push, push_results
from tests.conftest import CUT
from tests.monitoring.test_drift import users
from tests.store.conftest import Origin

BARE = load_settings(None, ("index.backend=exact",))


def drifted() -> float | None:
    return REGISTRY.get_sample_value("colisten_drift_columns", {"outcome": "drifted"})


def test_what_a_run_found_reaches_the_metrics_of_who_follows_the_store(
    origin: Origin, address: StoreAddress, tmp_path: Path
) -> None:
    page = (origin.folder / FIGURES).with_suffix(".html")
    drift_report(users(0), users(1, shift=10), page, until=CUT)
    source = Mirror(origin.folder, Bucket(address))
    with source.turn():
        push(source)
        push_results(source.bucket, origin.folder)
    environment = Environment(tmp_path / "mirror", BARE, address)
    runtime = Runtime(environment)
    try:
        runtime._watcher.look()
        runtime._inspector.look()
        assert drifted() == 1
    finally:
        runtime.close()


def test_a_copy_goes_with_what_it_was_of_and_a_store_that_is_away_costs_nothing(
    address: StoreAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, file = Bucket(address), tmp_path / "home" / FIGURES
    whole = tmp_path / "figures"
    whole.write_text("{}")
    bucket.store(FIGURES, whole)
    fetch_drift(bucket, tmp_path / "home")
    assert file.read_text() == "{}"
    before = file.stat().st_ino
    fetch_drift(bucket, tmp_path / "home")
    assert file.stat().st_ino == before, "the same is not written again"
    monkeypatch.setattr("colisten.store.drift_figures._MOST_BYTES", 1)
    fetch_drift(bucket, tmp_path / "home")
    assert file.read_text() == "{}"
    bucket.remove(FIGURES)
    fetch_drift(bucket, tmp_path / "home")
    assert not file.exists()
