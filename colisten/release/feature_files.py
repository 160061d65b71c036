"""Which feature store belongs to an output folder's releases: digests, noted in the journal.

A registry holds paths and moments of its making, so it cannot be bound by the content of a release;
the journal notes it as it is built, after its sources were compared with the release's own.
"""

from __future__ import annotations

from pathlib import Path

from colisten.errors import ReleaseError
from colisten.features.names import SOURCES
from colisten.release.journal import JOURNAL, Journal
from colisten.release.manifest import Manifest
from colisten.release.writing import writers_turn

FEATURES = "features"
"""Folder of the feature store, and the journal's line that says what is in it."""


def bind_features(root: Path, release: Manifest) -> None:
    """Note the files of the feature store that was built with a release; no others are opened.

    Args:
        root: Output folder.
        release: Which was published there.

    Raises:
        ReleaseError: Its sources are not those that the release was trained on.
        FeatureError: There is no feature store.
    """
    from colisten.features.repository import RepositoryFiles, source_digest

    folder, releases = root / FEATURES, root / "releases"
    digests = {**RepositoryFiles.read(folder).digests, SOURCES: source_digest(folder)}
    if release.features not in (None, digests[SOURCES]):
        raise ReleaseError(
            f"{folder / SOURCES} holds other sources than release {release.release_id} was "
            "trained on.",
            "Run `colisten run` again.",
        )
    with writers_turn(releases):
        Journal(releases / JOURNAL).append(FEATURES, release.release_id, digests=digests)


def bound_features(root: Path) -> dict[str, str] | None:
    """Digests of the feature store that was built last; None where nobody noted any."""
    for entry in reversed(Journal(root / "releases" / JOURNAL).entries()):
        digests = entry.get("digests")
        if entry["event"] == FEATURES and isinstance(digests, dict):
            return {str(name): str(digest) for name, digest in digests.items()}
    return None
