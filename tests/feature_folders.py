"""Where a home's features lie, and releases that are published with theirs as a run does it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from colisten.feature_repo.repo import build_feature_repo
from colisten.features.repository import online_file, source_digest
from colisten.features.store import open_online
from colisten.index.protocol import VectorIndex
from colisten.release.feature_files import features_of
from colisten.release.store import ReleaseStore
from colisten.settings.sections import FeatureSettings
from colisten.steps.online_features import fill_online, with_shared_rows


def live_features(home: Path) -> Path:
    """The repository of the live release."""
    manifest = ReleaseStore(home).live_manifest()
    assert manifest is not None
    assert manifest.features is not None, "it would be the folder of all"
    return features_of(home, manifest)


def online_db(repository: Path) -> Path:
    """SQLite's file of a repository."""
    file = online_file(open_online(repository))
    assert file is not None
    return file


def table_of(repository: Path, view: str) -> str:
    """The quoted name of a view's table in that file."""
    return f'"{open_online(repository).project}_{view}"'


def release_with_features(
    home: Path,
    repository: Path,
    payload: Callable[[str], Path],
    index: VectorIndex,
    *,
    features: FeatureSettings = FeatureSettings(),
) -> str:
    """Publish and promote a release over a repository that was built elsewhere.

    Args:
        home: Output folder.
        repository: What it is taken to be trained on.
        payload: Makes its payload, given the digest of that.
        index: Where it is searched.
        features: Where online rows are kept.
    """
    store = ReleaseStore(home)
    made = payload(source_digest(repository))
    release_id = store.publish(made, index, features=with_shared_rows(repository, features))
    store.promote(release_id, index, fill=partial(fill_online, home, features=features))
    return release_id


def simple_release(
    home: Path,
    history: Path,
    payload: Callable[[str], Path],
    index: VectorIndex,
    *,
    as_of: datetime,
    features: FeatureSettings = FeatureSettings(),
) -> str:
    """The same over a repository of a history, which is built beside the home."""
    built = build_feature_repo(
        history, home.with_name(f"{home.name}-built"), as_of=as_of, features=features
    )
    return release_with_features(home, built, payload, index, features=features)
