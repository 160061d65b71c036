"""The feature repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from colisten.files import combined_digest, folder_digests
from colisten.steps.artifacts.base import FolderArtifact

if TYPE_CHECKING:
    from colisten.features.lightfeast import FeatureStore


class Features(FolderArtifact):
    """A Feast repository, which names its sources from its own folder on."""

    _mark = "feature_store.yaml"

    def open(self) -> FeatureStore:
        """The store; raises FeatureError where Feast cannot read it."""
        from colisten.features.store import open_store

        return open_store(self.folder)

    @classmethod
    def _digest_at(cls, place: Path) -> str:
        # The registry holds moments of its making; sources and definitions are what it serves.
        return combined_digest(folder_digests(place / "sources"))
