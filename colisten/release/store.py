"""Publishing, promoting and rolling back releases.

    payload -> publish -> releases/<release_id>/ and its index collection -> promote -> LIVE

Each step ends in one rename. A process killed anywhere leaves the old release live; the next
call clears what is half written, and the same call again completes the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.errors import (
    ReleaseCorrupt,
    ReleaseError,
    ReleaseNotFound,
    VectorIndexError,
    VerifyFailed,
)
from colisten.files import write_aside
from colisten.index.protocol import VectorIndex
from colisten.logs import logger
from colisten.release.collection import write_collection
from colisten.release.feature_files import Fill, check_features, place_features, remove_unused
from colisten.release.journal import JOURNAL, Journal
from colisten.release.lineage import journaled_pointer
from colisten.release.loaded import LoadedRelease
from colisten.release.manifest import LIVE_ALIAS, MANIFEST, Manifest, is_release_id
from colisten.release.payload import bind_payload, copy_payload
from colisten.release.pointer import Pointer
from colisten.release.private_copy import in_use
from colisten.release.removal import remove_release
from colisten.release.software import software
from colisten.release.states import ReleaseState, release_states
from colisten.release.verify import Verification, load_checked, verify_release
from colisten.release.writing import LOCK_SECONDS, writers_turn
from colisten.settings.index import IndexSettings

if TYPE_CHECKING:
    from colisten.features.repository import RepositoryFiles

LIVE = "live"  # stands for whichever release is

log = logger("release")

States = list[ReleaseState]
Names = list[str]  # inside the class below `list` is a method


class ReleaseStore:
    """The releases of one output folder.

    Args:
        root: Output folder; releases lie in root/releases.
        lock_seconds: How long a writer waits for another one.
        public_key: File of the key that releases must be signed by; None where any may be live.
    """

    def __init__(
        self,
        root: Path,
        *,
        lock_seconds: float = LOCK_SECONDS,
        public_key: str | Path | None = None,
    ) -> None:
        self.root = root
        self.releases = root / "releases"
        self._journal = Journal(self.releases / JOURNAL)
        self._lock_seconds = lock_seconds
        self._public_key = None if public_key is None else Path(public_key)

    def folder(self, release_id: str) -> Path:
        """Folder of a release.

        Raises:
            ReleaseNotFound: There is none of that id.
        """
        folder = self.releases / release_id
        if not is_release_id(release_id) or not (folder / MANIFEST).is_file():
            raise ReleaseNotFound(
                f"No release '{release_id}' in {self.releases}.", "`release list` shows them."
            )
        return folder

    def resolve(self, release_id: str = LIVE) -> str:
        """Id of a release that is there; `live` means the live one.

        Raises:
            ReleaseNotFound: There is none of that id, or none is live.
        """
        name = self.live() if release_id == LIVE else release_id
        if name is None:
            raise ReleaseNotFound(
                f"No release is live in {self.releases}.",
                "`colisten run` publishes one; `colisten release promote ID` makes one live.",
            )
        self.folder(name)
        return name

    def publish(
        self, payload: Path, index: VectorIndex, *, features: RepositoryFiles | None = None
    ) -> str:
        """Turn a payload folder into a release with an index collection, and verify it.

        The same payload again gives the same id and repairs what is missing. The live release
        stays live.

        Args:
            payload: What `assemble_payload` wrote.
            index: Where its vectors are searched.
            features: Repository that it was trained on; copied to where the release looks for it,
                which no other release does that was trained on anything else.

        Returns:
            The release id.

        Raises:
            ReleaseError: The payload cannot be read, or was trained on other features.
            VectorIndexError: The index is out of reach; publish again when it is not.
            VerifyFailed: The release does not answer as recorded; it stays a candidate.
        """
        manifest = bind_payload(payload)
        release_id = manifest.release_id
        with self._locked(index):
            folder = self.releases / release_id
            if features is not None:
                place_features(self.root, features, manifest)
            if load_checked(folder) is None:
                with write_aside(folder) as aside:
                    copy_payload(payload, aside, manifest)
                log.info("release written", release_id=release_id, files=len(manifest.files))
            verification = self._publish_to(index, release_id)
            if not self._journal.moments("published", release_id):
                self._journal.append(
                    "published",
                    release_id,
                    index=verification.described(index),
                    software=software(),
                )
        return release_id

    def republish(self, release_id: str, index: VectorIndex) -> Verification:
        """Publish a release to an index that lacks it: another one, or one that lost it.

        Commands and services that name no index search the one of the latest publication.

        Raises:
            ReleaseNotFound: There is none of that id.
            ReleaseCorrupt: A file differs from its digest; nothing is written.
            VectorIndexError: The index is out of reach.
            VerifyFailed: The release does not answer as recorded.
        """
        folder = self.folder(release_id)
        with self._locked(index):
            Manifest.read(folder).check_files(folder)
            verification = self._publish_to(index, release_id)
            self._journal.append("published", release_id, index=verification.described(index))
            self._align_alias(index)
        return verification

    def verify(self, release_id: str, index: VectorIndex) -> Verification:
        """Check a release and its collection; see `verify_release`.

        Raises:
            ReleaseNotFound: There is none of that id.
            ReleaseCorrupt: A file differs from its digest.
        """
        return verify_release(self.folder(release_id), index)

    def promote(
        self, release_id: str, index: VectorIndex, *, fill: Fill | None = None
    ) -> Verification:
        """Verify a release, then make it the live one.

        The pointer flips first and decides; the alias `colisten_live` follows it for other
        readers of the index.

        Args:
            release_id: Its name.
            index: Where its vectors are searched.
            fill: Called once the release has passed, before it is live.

        Raises:
            ReleaseNotFound: There is none of that id.
            ReleaseError: Its features are not there; what was live stays.
            ReleaseCorrupt: A file differs from its digest; what was live stays.
            ReleaseUnsigned: It is not signed as it must be; what was live stays.
            VerifyFailed: It does not answer as recorded; what was live stays.
        """
        self.folder(release_id)
        with self._locked(index):
            verification = self._passed(release_id, index)
            self._admit(self.show(release_id), fill)
            current = self._pointer_now()
            if current is None or current.release_id != release_id:
                previous = None if current is None else current.release_id
                self._flip("promoted", Pointer(release_id, previous))
                log.info("release promoted", release_id=release_id, previous=previous)
            self._align_alias(index)
        return verification

    def rollback(self, index: VectorIndex | None = None, *, fill: Fill | None = None) -> str:
        """Make the previous release live again; a second rollback undoes the first.

        Needs no index: a release answers by exact search where its collection is out of reach.
        `fill` is that of `promote`.

        Returns:
            The id that is live now.

        Raises:
            ReleaseError: There is no previous release, or its features are not there.
            ReleaseCorrupt: Its files differ from their digests; what was live stays.
            ReleaseUnsigned: It is not signed as it must be; what was live stays.
        """
        nothing = ReleaseError(
            f"No release before the live one in {self.releases}.",
            "`release promote ID` makes any release live.",
        )
        if not self.releases.is_dir():
            raise nothing
        with self._locked(index):
            current = journaled_pointer(self.releases)
            if current is None or current.previous is None:
                raise nothing
            folder = self.folder(current.previous)
            manifest = Manifest.read(folder)
            manifest.check_files(folder)
            self._admit(manifest, fill)
            self._flip("rolled_back", Pointer(current.previous, current.release_id))
            log.info("rolled back", release_id=current.previous, left=current.release_id)
            self._align_alias(index)
        return current.previous

    def live(self) -> str | None:
        """Id of the live release; None before anything was promoted. Takes no lock.

        Raises:
            ReleaseCorrupt: The pointer cannot be read, or no line of the journal is behind it.
        """
        pointer = journaled_pointer(self.releases)
        return None if pointer is None else pointer.release_id

    def live_manifest(self) -> Manifest | None:
        """Manifest of the live release; None before anything was promoted."""
        live = self.live()
        return None if live is None else self.show(live)

    def load_live(self, *, verify: bool = True, threads: int = 1) -> LoadedRelease:
        """The live release in memory; raises as `resolve` and `LoadedRelease.load` do."""
        return LoadedRelease.load(self.folder(self.resolve()), verify=verify, threads=threads)

    def show(self, release_id: str) -> Manifest:
        """Manifest of a release; raises as `folder` and `Manifest.read` do."""
        return Manifest.read(self.folder(release_id))

    def list(self) -> States:
        """All releases, latest published first."""
        return release_states(self.releases, self._pointer_now())

    def spare(self, keep: int) -> Names:
        """Releases but the latest `keep`, the live and the previous one.

        Raises:
            ReleaseError: `keep` is negative.
        """
        if keep < 0:
            raise ReleaseError(f"Cannot keep {keep} releases.", "Give 0 or more.")
        return [one.release_id for one in self.list()[keep:] if one.state == "candidate"]

    def prune(self, keep: int, index: VectorIndex) -> Names:
        """Remove all but the latest `keep` releases, the live and the previous one.

        Raises:
            ReleaseError: `keep` is negative, or a process serves one of them; none is removed.
            VectorIndexError: A collection could not be dropped; its release is still there.
        """
        with self._locked(index):
            spare = self.spare(keep)
            for release_id in spare:
                if in_use(self.releases / release_id):
                    raise ReleaseError(
                        f"A process serves release {release_id}.",
                        "Prune when it serves the live one, or keep more.",
                    )
            for release_id in spare:
                remove_release(self.releases, release_id, index)
            remove_unused(self.root)
        return spare

    def software(self, release_id: str) -> dict[str, str]:
        """Versions of what made a release, by name; empty where its journal does not say."""
        return self._journal.software(release_id)

    def index_settings(self) -> IndexSettings | None:
        """Which index the latest release was published to; None before any was."""
        return self._journal.index_settings()

    def sign(self, release_id: str, key: Path) -> str:
        """Sign a release whose files are whole; returns the name of the key.

        Raises:
            ReleaseNotFound: There is none of that id.
            ReleaseCorrupt: A file differs from its digest; nothing is signed.
            ConfigError: The file holds no private key.
        """
        from colisten.release.signature import sign_release

        folder = self.folder(release_id)
        with self._locked(None):
            manifest = Manifest.read(folder)
            manifest.check_files(folder)
            name = sign_release(folder, manifest, key)
            self._journal.append("signed", release_id, key=name)
        log.info("release signed", release_id=release_id, key=name)
        return name

    def check_signature(self, manifest: Manifest) -> None:
        """Refuse a release that is not signed by the store's key, where it has one.

        Args:
            manifest: As it is in use; its files were compared with it.

        Raises:
            ReleaseUnsigned: It has no such signature.
        """
        if self._public_key is not None:
            from colisten.release.signature import check_signature

            check_signature(self.releases / manifest.release_id, manifest, self._public_key)

    def _admit(self, manifest: Manifest, fill: Fill | None) -> None:
        self.check_signature(manifest)
        check_features(self.root, manifest)
        if fill is not None:
            fill(manifest)

    def _publish_to(self, index: VectorIndex, release_id: str) -> Verification:
        """Write the collection where it is missing or wrong, and verify."""
        release = LoadedRelease.load(self.folder(release_id), verify=False)
        write_collection(release, index)
        return self._passed(release_id, index)

    def _passed(self, release_id: str, index: VectorIndex) -> Verification:
        verification = self.verify(release_id, index)
        if not verification.passed:
            raise VerifyFailed(
                f"Release {release_id} did not pass: {' '.join(verification.faults)}",
                "What was live stays live. Publish it again, or look at index.* settings.",
            )
        return verification

    def _flip(self, event: str, pointer: Pointer) -> None:
        # The line first: a pointer that no line is behind is not believed.
        self._journal.append(event, pointer.release_id, previous=pointer.previous)
        pointer.write(self.releases)

    def _align_alias(self, index: VectorIndex | None) -> None:
        """Let the alias mean what the pointer says; it may lag where the index is out of reach."""
        live = self._pointer_now()
        if index is None or live is None:
            return
        collection = f"release_{live.release_id}"
        try:
            if index.resolve_alias(LIVE_ALIAS) != collection:
                index.point_alias(LIVE_ALIAS, collection)
        except VectorIndexError as error:
            log.warning("alias does not follow the live release", reason=str(error))

    def _pointer_now(self) -> Pointer | None:
        try:
            return journaled_pointer(self.releases)
        except ReleaseCorrupt as error:
            log.warning("pointer unreadable", reason=str(error))
            return None

    @contextmanager
    def _locked(self, index: VectorIndex | None) -> Iterator[None]:
        """One writer at a time; the alias catches up with what a killed one left."""
        with writers_turn(self.releases, self._lock_seconds):
            self._align_alias(index)
            yield
