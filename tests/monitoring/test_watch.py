"""A home watched from its tables and releases, as `colisten run` and the monitor pipeline do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from colisten.data.catalogue import Catalogue
from colisten.features.store import open_store
from colisten.json_files import read_mapping
from colisten.monitoring import checks, watch
from colisten.monitoring.limits import ENOUGH
from colisten.monitoring.watch import Subject, watch_window
from colisten.release.loaded import LoadedRelease
from colisten.settings.engine import Engine
from colisten.settings.sections import TextSettings
from colisten.text.vectors import embed_items
from tests.conftest import CUT, ServedHome

DAYS = 15


@pytest.fixture
def subject(served_home: ServedHome, tiny_history: Path) -> Subject:
    """The live release of a home and tables up to the cut."""
    catalogue, home = Catalogue.read(tiny_history), served_home.folder
    release = served_home.ids[0]
    features = open_store(home / "work" / "features")
    own = Subject.of(home, release, tiny_history, catalogue, features)
    text = embed_items(catalogue, TextSettings(), home / "cache" / "text")
    return own.told(text, np.zeros((0, 0), np.float32), 2_000)


def causes(page: Path) -> list[str]:
    return [one["cause"] for one in read_mapping(page.with_suffix(".json"))["causes"]]


def test_a_home_is_watched_and_what_goes_wrong_with_it_is_named(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MIN_ROWS", 20)
    monkeypatch.setattr(watch, "MIN_ROWS", 20)
    page = tmp_path / "reports" / "drift.html"
    watched = watch_window(subject, CUT, DAYS, page, Engine())
    figures = read_mapping(page.with_suffix(".json"))
    assert (figures["release"], figures["until"]) == (subject.release.release_id, CUT.isoformat())
    assert all(one["rebuilt"] for one in figures["earlier"])
    assert len(figures["earlier"]) >= ENOUGH
    assert figures["judged_by"]["windows"] == len(figures["earlier"])
    assert {one["kind"] for one in figures["checks"]} >= {"stale", "volume", "skew", "taste"}
    assert not {"skew", "stale", "text_vectors", "column"} & set(causes(page))
    assert watched.report.users == len(watched.frames[1]) > 20
    kept = next((page.parent / "profiles").glob("*d.json")).read_text()
    assert not [user for user in watched.frames[1]["user_id"] if f'"{user}"' in kept]

    other = replace(subject, vectors=np.roll(subject.vectors, 3, axis=0))
    other = replace(other, release=renamed(subject, "r" + "1" * 32))
    watch_window(other, CUT, DAYS, page, Engine())
    assert causes(page)[0] == "text_vectors"

    later = replace(subject, release=renamed(subject, "r" + "2" * 32))
    watch_window(later, CUT + timedelta(days=DAYS), DAYS, page, Engine())
    assert {"stale", "volume"} <= set(causes(page))
    assert any(not one["rebuilt"] for one in read_mapping(page.with_suffix(".json"))["earlier"])


def renamed(subject: Subject, name: str) -> LoadedRelease:
    """The same release by another name."""
    manifest = subject.release.manifest.model_copy(update={"release_id": name})
    return replace(subject.release, manifest=manifest)
