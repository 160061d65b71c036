"""The use cases of releases, as a scheduler or a notebook calls them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from colisten.errors import ConfigError, ReleaseCorrupt, ReleaseNotFound, VerifyFailed
from colisten.index import ExactIndex
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from colisten.steps.cache import StepEvent
from colisten.steps.use_cases.release import (
    list_releases,
    promote_release,
    prune_releases,
    republish_release,
    roll_back,
    show_release,
    verify_release,
)
from tests.conftest import CUT
from tests.release.payloads import make_parts


@pytest.fixture
def out(tiny_history: Path, tmp_path: Path) -> Path:
    """A folder with a release that nobody promoted, searched exactly."""
    payload = make_parts(tmp_path / "parts", tiny_history, CUT).payload(tmp_path / "payload")
    with ExactIndex(tmp_path / "out" / "index" / "exact") as index:
        ReleaseStore(tmp_path / "out").publish(payload, index)
    return tmp_path / "out"


def test_a_release_goes_live_with_what_was_published(out: Path) -> None:
    events: list[StepEvent] = []
    (candidate,) = list_releases(out)
    with pytest.raises(ReleaseNotFound, match="No release is live"):
        show_release(out)
    assert promote_release(out, candidate.release_id, listen=events.append).passed
    assert [(event.step, event.state) for event in events] == [
        ("promote", "started"),
        ("promote", "done"),
    ]
    state, manifest = show_release(out)
    assert (state.state, manifest.release_id) == ("live", candidate.release_id)
    assert prune_releases(out, 0) == []


def test_a_lost_collection_is_published_again(out: Path) -> None:
    (candidate,) = list_releases(out)
    shutil.rmtree(out / "index")
    assert not verify_release(out, candidate.release_id).passed
    events: list[StepEvent] = []
    with pytest.raises(VerifyFailed, match="no collection"):
        promote_release(out, candidate.release_id, listen=events.append)
    assert events[-1].state == "failed"
    assert republish_release(out, candidate.release_id).passed
    assert promote_release(out, candidate.release_id).passed


def test_a_damaged_release_is_not_published_again(out: Path) -> None:
    (candidate,) = list_releases(out)
    shutil.rmtree(out / "index")
    vectors = out / "releases" / candidate.release_id / "item_vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:-1] + b"\1")
    with pytest.raises(ReleaseCorrupt, match="item_vectors"):
        republish_release(out, candidate.release_id)
    assert not (out / "index" / "exact").exists()


def test_going_back_needs_no_index(out: Path, tiny_history: Path, tmp_path: Path) -> None:
    payload = make_parts(tmp_path / "later", tiny_history, CUT, seed=1).payload(tmp_path / "two")
    (one,) = (state.release_id for state in list_releases(out))
    with ExactIndex(out / "index" / "exact") as index:
        two = ReleaseStore(out).publish(payload, index)
    promote_release(out, one)
    promote_release(out, two)
    events: list[StepEvent] = []
    nowhere = IndexSettings(backend="milvus", uri="http://127.0.0.1:1")
    done = roll_back(out, index=nowhere, listen=events.append)
    assert (done.live, done.previous) == (one, two)
    notices = [event.text for event in events if event.state == "notice"]
    assert len(notices) == 1
    assert notices[0].startswith("Without the index: ")


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No folder"):
        list_releases(tmp_path / "nowhere")
