"""A release in this process: loaded beside the answers, swapped by one assignment.

A request takes `ReleaseWatcher.current` once and answers from that alone. When the pointer moves,
the next release is read, verified against its digests and warmed up in a thread; then the
reference is replaced. A request that holds the old one ends on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from colisten.data.moments import parse_moment
from colisten.errors import ColistenError
from colisten.features.users import nobody
from colisten.logs import logger
from colisten.release.feature_files import bound_features, features_of
from colisten.release.journal import JOURNAL, Journal
from colisten.release.loaded import LoadedRelease
from colisten.release.private_copy import PrivateCopies, PrivateCopy, SourceFiles
from colisten.release.store import ReleaseStore
from colisten.serving import metrics
from colisten.serving.environment import Environment
from colisten.serving.feature_client import FeatureClient
from colisten.serving.followed import Followed, Identity
from colisten.serving.index_truth import IndexTrust
from colisten.serving.nearest import NearestItems, Query
from colisten.serving.pace import at_once
from colisten.serving.parts import Parts
from colisten.serving.tower_place import TowerPlace, UserTower

_RETRY_SECONDS = 5.0
_NEVER = (-1, -1)
_log = logger("serving.active_release")


@dataclass(frozen=True, eq=False)
class ActiveRelease:
    """One release with what this process adds to it.

    Attributes:
        release: Vectors, tower, catalogue, popular lists.
        nearest: Exact search over its vectors.
        features: Users as this release reads them.
        loaded_at: UTC.
        files: Where it was published.
        copy: What is read instead; None where it is in memory.
        tower: What makes vectors of users.
        made_at: When it was first published; its cut where nobody noted it.
        index: Whether its collection can be trusted.
    """

    release: LoadedRelease
    nearest: NearestItems
    features: FeatureClient
    loaded_at: datetime
    files: SourceFiles
    copy: PrivateCopy | None
    tower: UserTower
    made_at: datetime
    index: IndexTrust = field(default_factory=IndexTrust)

    @classmethod
    def load(
        cls,
        store: ReleaseStore,
        release_id: str,
        environment: Environment,
        copies: PrivateCopies | None,
        towers: TowerPlace,
        *,
        rest: Callable[[], None] = at_once,
        turned: bool = True,
    ) -> ActiveRelease:
        """Read, verify and warm up a release.

        Args:
            store: Where it was published.
            release_id: Its name.
            environment: Folder and settings.
            copies: Where its copy lies; None reads it into memory.
            towers: Where its tower is.
            rest: Called now and then, so that others get to work.
            turned: Whether its vectors are turned for search before it is there; `nearest.turn`
                does it later.

        Raises:
            ReleaseError: It is not there, corrupt, not signed as it must be, or does not answer.
        """
        release, files, copy = _protected(store.folder(release_id), copies)
        try:
            store.check_signature(release.manifest)
        except BaseException:
            files.close()
            if copy is not None:
                copy.close()
            raise
        rest()
        patience = environment.settings.serving.features_budget_ms / 1000
        features = FeatureClient(
            features_of(store.root, release.manifest),
            release,
            bound=partial(bound_features, store.root, release.manifest),
            patience_seconds=patience,
        )
        features.look()
        rest()
        tower = towers.hold(release)
        nearest = NearestItems(release)
        if turned:
            nearest.turn(rest)
        published = Journal(store.releases / JOURNAL).moments("published", release_id)
        made_at = parse_moment((*published, release.manifest.as_of)[0], "Its publication")
        now = datetime.now(UTC)
        active = cls(release, nearest, features, now, files, copy, tower, made_at)
        try:
            # Computed here and not by the first request.
            active.nearest.of(Query(active.nobody()[0], 1))
            for first in (lambda: release.scale, lambda: release.relative_logits):
                rest()
                first()
            rest()
            release.index_of([])
            rest()
            release.of_hashes(np.zeros(1, np.uint64))
        except BaseException:
            active.close()
            raise
        return active

    def close(self) -> None:
        """Let go of its files; requests that hold it end on what is mapped."""
        self.tower.close()
        self.files.close()
        if self.copy is not None:
            self.copy.close()

    def nobody(self) -> np.ndarray:
        """The vector of a user of whom nothing is known, float32 [1, dim]: something to warm by."""
        return self.release.user_vectors(nobody(self.release.spec.fields))

    @property
    def release_id(self) -> str:
        """The release's name."""
        return self.release.release_id


def _protected(
    source: Path, copies: PrivateCopies | None
) -> tuple[LoadedRelease, SourceFiles, PrivateCopy | None]:
    """A release that nobody who writes at `source` can change."""
    if copies is not None:
        try:
            copy = copies.take(source)
        except OSError as error:
            _log.warning("release_not_copied", error=str(error), instead="memory")
        else:
            try:
                return LoadedRelease.read(copy.folder, copy.manifest), copy.source, copy
            except BaseException:
                copy.close()
                raise
    release = LoadedRelease.load(source)
    files = SourceFiles(source, release.manifest)
    files.trust()
    release = release.in_memory()
    release.manifest.check_files(source)  # nobody wrote there while it was read
    return release, files, None


class ReleaseWatcher:
    """Holds a release, and follows where another one is meant.

    Args:
        followed: Says which is meant.
        load: Makes a active of a release id; may take long.
        parts: Where it notes whether what is served is what is meant.
        seconds: How often it looks.

    Attributes:
        current: What answers.
        meant: Which release is meant, as of the last look.
    """

    def __init__(
        self,
        followed: Followed,
        load: Callable[[str], ActiveRelease],
        *,
        parts: Parts,
        seconds: float,
    ) -> None:
        self.current: ActiveRelease | None = None
        self.meant: str | None = None
        self._followed = followed
        self._load = load
        self._parts = parts
        self._seconds = seconds
        self._seen: Identity | None = _NEVER
        self._failed = False
        self._retry_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follow-release", daemon=True)

    def start(self) -> None:
        """Load what is meant now, then go on following; a release that fails is tried again."""
        self.look()
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        if self.current is not None:
            self.current.close()

    def look(self) -> None:
        """Take up what is meant, where that may have changed since the last look."""
        seen = self._followed.identity()
        again = self._failed and time.monotonic() >= self._retry_at
        if seen == self._seen and not again:
            return
        self._seen = seen
        try:
            self.meant = None
            self.meant = self._followed.release_id()
            if self.meant is not None and self._name() != self.meant:
                self._take_up(self._load(self.meant))
            self._failed = False
        except (ColistenError, OSError) as error:
            # What was there stays. The same is tried again: its files may yet arrive.
            self._failed = True
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            metrics.RELEASE_CHANGES.labels("refused").inc()
            if self.current is None:
                self._take_up_another()
            self._parts.ill(self._followed.part, "release_refused", f"{error} {self._served()}")
            _log.error("release_refused", error=str(error), kept=self._name())
        else:
            if self.meant is not None:
                self._parts.well(self._followed.part)
            else:
                why = f"None is live. {self._served()}"
                self._parts.ill(self._followed.part, "release_absent", why)

    def _take_up_another(self) -> None:
        """At the start there is no release to stay with: another one may answer."""
        for release_id in self._followed.instead():
            if release_id == self.meant:
                continue
            try:
                self._take_up(self._load(release_id))
            except (ColistenError, OSError) as error:
                _log.error("release_refused", error=str(error), kept=None)
            else:
                return

    def _take_up(self, active: ActiveRelease) -> None:
        old, self.current = self.current, active
        metrics.RELEASE.labels(active.release_id).inc()
        if old is not None:
            metrics.RELEASE.labels(old.release_id).dec()
            old.close()
        metrics.RELEASE_CHANGES.labels("taken_up").inc()
        _log.info(
            "release_taken_up",
            part=self._followed.part,
            release_id=active.release_id,
            left=None if old is None else old.release_id,
        )

    def _follow(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self.look()
                if self.current is not None:
                    self.current.features.look()
            except Exception:
                # Whatever it was, the thread must live on: without it no flip is ever seen.
                _log.exception("follow_failed")

    def _name(self) -> str | None:
        return None if self.current is None else self.current.release_id

    def _served(self) -> str:
        return "None is served." if self.current is None else f"{self._name()} is served."
