"""Taking one release away, with its collection."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from colisten.index.protocol import VectorIndex
from colisten.release.journal import JOURNAL, Journal


def remove_release(releases: Path, release_id: str, index: VectorIndex) -> None:
    """Remove a release that nobody serves; the caller holds the writers' turn.

    Raises:
        VectorIndexError: Its collection could not be dropped; the release is still there.
    """
    # The collection first: a crash between leaves a release that is removed again.
    index.drop(f"release_{release_id}")
    aside = releases / f".{release_id}.pruned.partial"
    os.replace(releases / release_id, aside)
    shutil.rmtree(aside)
    Journal(releases / JOURNAL).append("pruned", release_id)
