"""A folder that follows a store, laid out as a home: fetched from it, and pushed to it.

    fetch: lines -> files of what they made live -> journal -> LIVE -> STORE
    push:  files of new releases -> their features -> lines, in order

Everything is written aside, compared and renamed, files before what names them: a process that
ends anywhere leaves the mirror, and the store, as they were or as they will be.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colisten.errors import ConfigError, ReleaseError, StoreError
from colisten.files import sweep_partials, write_aside
from colisten.json_files import read_mapping, write_json
from colisten.logs import logger
from colisten.release.feature_files import FEATURES, features_of, remove_unused
from colisten.release.journal import JOURNAL
from colisten.release.manifest import Manifest, is_release_id
from colisten.release.pointer import POINTER, Pointer
from colisten.release.private_copy import in_use
from colisten.release.store import ReleaseStore
from colisten.store.bucket import Bucket
from colisten.store.feature_sets import check_shared, fetch_features
from colisten.store.lines import entries_of, kept, listed_lines, pointer_of, read_lines
from colisten.store.release_objects import fetch_manifest, fetch_release, fetch_signature

MARK = "STORE"
# What is only liked and cannot be had is asked for again after so long.
_AGAIN_SECONDS = 60.0
log = logger("store")


@dataclass(frozen=True)
class Mark:
    """What a mirror knows of its store.

    Attributes:
        store: The store's address.
        lines: Lines of its journal that are the store's.
        tag: Of the last of them.
    """

    store: str
    lines: int
    tag: str


class Mirror:
    """A home that follows a store.

    Args:
        home: Its folder; made where it is missing.
        bucket: The store.
    """

    def __init__(self, home: Path, bucket: Bucket) -> None:
        self.home = home
        self.bucket = bucket
        self.releases = home / "releases"
        self._whole: dict[str, int] = {}
        self._again_at = 0.0

    @contextmanager
    def turn(self, *, wait: bool = True) -> Iterator[None]:
        """Be the one process that fetches into the mirror or pushes from it.

        Raises:
            BlockingIOError: Another one is, and `wait` is False.
        """
        self.releases.mkdir(parents=True, exist_ok=True)
        with (self.home / ".store.lock").open("ab") as lock:
            # The kernel frees it with its holder.
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            sweep_partials(self.releases)
            sweep_partials(self.home)
            yield

    def mark(self) -> Mark | None:
        """What is known of the store; None where the folder follows none yet.

        Raises:
            ConfigError: It follows another store.
        """
        try:
            mark = Mark(**read_mapping(self.releases / MARK))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            log.warning("mirror unreadable", file=str(self.releases / MARK))
            return Mark(str(self.bucket.address), 0, "")  # everything is asked again
        if mark.store != str(self.bucket.address):
            if mark.lines == 0:  # nothing ever came of it
                return Mark(str(self.bucket.address), 0, "")
            raise ConfigError(
                f"{self.home} follows {mark.store}, not {self.bucket.address}.",
                "Give another folder.",
            )
        return mark

    def seen_at(self) -> float | None:
        """When the store was last asked and answered, seconds since 1970; None where never."""
        try:
            return (self.releases / MARK).stat().st_mtime
        except OSError:
            return None

    def lines(self) -> list[bytes]:
        """Lines of the mirror's journal, the store's and then its own."""
        return lines_of(self.releases)

    def fetch(self, needed: Iterable[str] = (), *, liked: Iterable[str] = ()) -> Pointer | None:
        """Bring the mirror to what the store says; the caller has the turn.

        Lines of the mirror's own that the store has not got are dropped: whoever wrote them was
        not the first, or ended before they were so.

        Args:
            needed: Releases without which, as without the live one, nothing changes.
            liked: Releases that are brought where they can be had, as the one before the live one.

        Returns:
            What is live.

        Raises:
            ConfigError: The folder follows another store, or has releases of its own.
            StoreError: The store is out of reach, or is none; the mirror stays as it was.
            ReleaseError: What it holds is not what it should be; the mirror stays as it was.
        """
        mark, own = self.mark(), self.lines()
        if mark is None and own:
            raise ConfigError(
                f"{self.home} has releases of its own.",
                "`colisten release push` brings them to the store; give another folder to follow.",
            )
        if mark is None:
            # Before anything else is there, so that nobody takes it for a home of its own.
            self._note(Mark(str(self.bucket.address), 0, ""))
        known = 0 if mark is None or len(own) < mark.lines else mark.lines
        listed = listed_lines(self.bucket, known)
        if known and mark is not None and listed[0].tag != mark.tag:
            known, listed = 0, listed_lines(self.bucket, 0)
        fresh = [one.name for one in (listed[1:] if known else listed)]
        lines = own[:known] + read_lines(self.bucket, fresh)
        entries = entries_of(lines)
        pointer = pointer_of(entries)
        wanted = [] if pointer is None else [pointer.release_id]
        for release_id in dict.fromkeys((*wanted, *needed)):
            self.need(release_id, entries)
        for entry in entries[known:]:
            if entry["event"] == "signed":
                fetch_signature(self.bucket, self.releases, entry["release_id"])
        self._become(lines, pointer, listed[-1].tag if listed else "")
        self._follow_up(entries, pointer, liked, bool(fresh))
        return pointer

    def need(self, release_id: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Have a release in the mirror, whole, with its features.

        Args:
            release_id: Which.
            entries: All lines of the store's journal.

        Raises:
            ReleaseError: As `fetch_release` and `fetch_features`.
            StoreError: It cannot be had.
        """
        folder = self.releases / release_id
        noted = sum(one["event"] == FEATURES for one in entries)
        if self._whole.get(release_id) == noted and folder.is_dir():
            return
        fetch_release(self.bucket, self.releases, release_id)
        fetch_features(self.bucket, self.home, Manifest.read(folder), entries)
        self._whole[release_id] = noted

    def need_manifests(self) -> None:
        """Have a manifest of every release that the store keeps: enough for a list."""
        for release_id in kept(entries_of(self.lines())):
            fetch_manifest(self.bucket, self.releases, release_id)

    def check_served(self) -> None:
        """Refuse a store that cannot be served from many folders.

        Raises:
            ConfigError: Its online features are in SQLite.
        """
        release = ReleaseStore(self.home).live_manifest()
        if release is not None and features_of(self.home, release).is_dir():
            check_shared(features_of(self.home, release))

    def wrote(self, lines: int) -> None:
        """Note that so many lines of the mirror's journal are now the store's."""
        listed = listed_lines(self.bucket, lines)
        self._note(Mark(str(self.bucket.address), lines, listed[0].tag if listed else ""))

    def _become(self, lines: list[bytes], pointer: Pointer | None, tag: str) -> None:
        journal = self.releases / JOURNAL
        text = b"".join(line + b"\n" for line in lines)
        if not journal.is_file() or journal.read_bytes() != text:
            with write_aside(journal) as aside:
                aside.write_bytes(text)
        if pointer is None:
            (self.releases / POINTER).unlink(missing_ok=True)
        elif self._pointer() != pointer:
            pointer.write(self.releases)
        self._note(Mark(str(self.bucket.address), len(lines), tag))

    def _pointer(self) -> Pointer | None:
        try:
            return Pointer.read(self.releases)
        except ReleaseError:
            return None

    def _note(self, mark: Mark) -> None:
        file = self.releases / MARK
        if not file.is_file() or self.mark() != mark:
            write_json(file, mark, indent=None)
        else:
            os.utime(file)  # when the store was last seen

    def _follow_up(
        self,
        entries: list[dict[str, Any]],
        pointer: Pointer | None,
        liked: Iterable[str],
        fresh: bool,
    ) -> None:
        """What nobody waits for: the release before, others that are liked, and room."""
        if fresh:
            self._again_at = 0.0
        late = time.monotonic() >= self._again_at
        self._again_at = time.monotonic() + _AGAIN_SECONDS if late else self._again_at
        before = [] if pointer is None or pointer.previous is None else [pointer.previous]
        for release_id in dict.fromkeys((*before, *liked)) if late else ():
            try:
                self.need(release_id, entries)
            except (ReleaseError, StoreError, OSError) as error:
                log.warning("release not fetched", release_id=release_id, reason=str(error))
        keeps = set(kept(entries))
        gone = [
            folder
            for folder in self.releases.iterdir()
            if is_release_id(folder.name) and folder.name not in keeps and not in_use(folder)
        ]
        for folder in gone:
            shutil.rmtree(folder, ignore_errors=True)
        if gone:
            remove_unused(self.home)


def lines_of(releases: Path) -> list[bytes]:
    """Whole lines of a releases folder's journal."""
    try:
        content = (releases / JOURNAL).read_bytes()
    except FileNotFoundError:
        return []
    whole, _, _ = content.rpartition(b"\n")
    return [line for line in whole.split(b"\n") if line]
