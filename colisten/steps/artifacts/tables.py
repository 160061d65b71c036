"""Checked tables."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from colisten.steps.artifacts.base import FolderArtifact

if TYPE_CHECKING:
    from colisten.data.catalogue import Catalogue


class Events(FolderArtifact):
    """Checked interactions, and exposures where there are any: a window that measures."""

    _mark = "interactions.parquet"


class History(Events):
    """Checked tables with nothing at or after the cut: items, users, music, interactions."""

    _mark = "items.parquet"

    @cached_property
    def catalogue(self) -> Catalogue:
        """The items, in the order of every array."""
        from colisten.data.catalogue import Catalogue

        return Catalogue.read(self.folder)
