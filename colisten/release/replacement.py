"""One release in the place of another: published, put where that one stood, and that one removed.

For what must leave a release and cannot wait for the next one. Every step can be repeated: a call
that was ended is completed by the same call.
"""

from __future__ import annotations

import time
from pathlib import Path

from colisten.errors import ReleaseError, ReleaseUnsigned
from colisten.index.protocol import VectorIndex
from colisten.release.journal import JOURNAL, Journal
from colisten.release.manifest import MANIFEST, SIGNATURE
from colisten.release.pointer import Pointer
from colisten.release.private_copy import in_use
from colisten.release.removal import remove_release
from colisten.release.store import ReleaseStore
from colisten.release.writing import writers_turn

_FOLLOW_SECONDS = 30.0
_LOOK_SECONDS = 0.1


def replace(
    store: ReleaseStore,
    release_id: str,
    payload: Path,
    index: VectorIndex,
    *,
    signing_key: Path | None = None,
) -> str:
    """Publish a payload in the place of a release, and remove that one.

    Whatever it was, live or previous, the other one is from then on; running services follow.

    Args:
        store: Whose releases.
        release_id: Which is replaced.
        payload: What `assemble_payload` wrote.
        index: Where vectors of both are searched.
        signing_key: What the other one is signed with; a signed release needs it.

    Returns:
        The id of the other one; `release_id` where both are the same.

    Raises:
        ReleaseNotFound: There is none of that id.
        ReleaseUnsigned: It is signed, and what takes its place would not be; nothing is replaced.
        ReleaseError: The payload cannot be read; or a process goes on serving the replaced one,
            which then stays, neither live nor previous.
        VectorIndexError, VerifyFailed: As `publish`; nothing is replaced.
    """
    if signing_key is None and (store.folder(release_id) / SIGNATURE).exists():
        raise ReleaseUnsigned(
            f"Release {release_id} is signed, and what takes its place would not be.",
            "Say by release.signing_key what signs it.",
        )
    other = store.publish(payload, index)
    if other == release_id:
        return other
    if signing_key is not None:
        store.sign(other, signing_key)
    if store.live() == release_id:
        store.promote(other, index)
    with writers_turn(store.releases):
        pointer = Pointer.read(store.releases)
        if pointer is not None and pointer.previous == release_id:
            live = pointer.release_id
            before = _before(store, release_id) if other == live else other
            _point(store, Pointer(live, before))
        _wait_until_unserved(store.releases / release_id, other)
        remove_release(store.releases, release_id, index)
    return other


def _before(store: ReleaseStore, release_id: str) -> str | None:
    """What was live before a release, as far as it is still there."""
    for entry in reversed(Journal(store.releases / JOURNAL).entries()):
        if entry["release_id"] == release_id and "previous" in entry:
            before = entry["previous"]
            there = isinstance(before, str) and (store.releases / before / MANIFEST).is_file()
            return before if there else None
    return None


def _point(store: ReleaseStore, pointer: Pointer) -> None:
    """Move the pointer to the same live release and another one before it.

    Lines come first, and each names what the pointer says meanwhile.
    """
    journal = Journal(store.releases / JOURNAL)
    if pointer.previous is not None:
        journal.append("promoted", pointer.previous, previous=pointer.release_id)
    journal.append("promoted", pointer.release_id, previous=pointer.previous)
    pointer.write(store.releases)


def _wait_until_unserved(folder: Path, other: str) -> None:
    end = time.monotonic() + _FOLLOW_SECONDS
    while in_use(folder):
        if time.monotonic() > end:
            raise ReleaseError(
                f"A process goes on serving release {folder.name}, which {other} replaces.",
                "End it, or wait until it serves the live one, and call again.",
            )
        time.sleep(_LOOK_SECONDS)
