"""A person in a release: what they had started, by hash of their id.

A release is bound by digests, so it cannot be changed: it is published again without them, under
the id of what it then holds. That one takes the place of the old one, live or previous or neither,
and answers everybody else as before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from colisten.index.protocol import VectorIndex
from colisten.json_files import write_json
from colisten.release.manifest import Bound, Manifest
from colisten.release.payload import PAYLOAD
from colisten.release.replacement import replace
from colisten.release.seen import SeenItems
from colisten.release.store import ReleaseStore


@dataclass(frozen=True)
class SeenInRelease:
    """What a release says that users had started.

    Attributes:
        path: Folder of the release.
        store: Whose.
        index: Opens the index that its collection lies in.
        signing_key: What signs the release that takes its place.
    """

    path: Path
    store: ReleaseStore
    index: Callable[[], VectorIndex]
    signing_key: Path | None = None
    done: str = "titles removed; the release has another id now"

    def count(self, user_id: str) -> int:
        """See `Place`; raises ReleaseError where the release cannot be read."""
        return len(SeenItems.read(self.path).of(user_id))

    def remove(self, user_id: str) -> int:
        """See `Place`.

        Raises:
            ReleaseError: The release cannot be read or is signed by a key that is not here, or a
                process goes on serving the old one.
            VectorIndexError: The index is out of reach.
        """
        seen = SeenItems.read(self.path)
        rows = len(seen.of(user_id))
        if not rows:
            return 0
        with tempfile.TemporaryDirectory(prefix="colisten-forget-") as work:
            payload = Path(work) / "payload"
            _without(self.path, seen.without(user_id), payload)
            with self.index() as index:
                replace(self.store, self.path.name, payload, index, signing_key=self.signing_key)
        return rows


def _without(release: Path, seen: SeenItems, payload: Path) -> None:
    """The payload that a release was made of, with other users in it."""
    manifest = Manifest.read(release)
    for name in manifest.files:
        file = payload / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(release.absolute() / name)
    for file in payload.glob("seen_*.npy"):
        file.unlink()
    seen.write(payload)
    said = set(Bound.model_fields) & manifest.model_fields_set
    write_json(payload / PAYLOAD, manifest.model_dump(mode="json", include=said), indent=1)
