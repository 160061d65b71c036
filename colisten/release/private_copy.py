"""A release in use, out of reach of whoever writes where releases lie.

A mapped file that is overwritten in place changes answers, and one that is truncated kills the
process that reads it. So what is served is a copy: made once a machine, checked against the
manifest's digests after it was written, shared by all workers, removed with the last of them.
Neither a hard link nor a mapping of the original would do: writes reach both.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Self

from colisten.errors import FileError, ReleaseCorrupt, ReleaseError
from colisten.files import file_digest, sweep_abandoned, write_aside
from colisten.logs import logger
from colisten.release.manifest import MANIFEST, Manifest

_Identity = tuple[int, ...]
log = logger("release")


class PrivateCopies:
    """Copies of releases in one folder of this user's alone.

    Args:
        folder: Where they lie; made where it is missing.

    Raises:
        FileError: The folder is another user's, or others may write there.
        OSError: It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if not own or status.st_mode & 0o077:
            raise FileError(
                f"{folder} is not a folder that this user alone can use.",
                "Remove it, or point TMPDIR elsewhere.",
            )
        self._folder = folder
        self._sweep()

    @classmethod
    def of_user(cls) -> Self:
        """Those in the folder for temporary files (TMPDIR), one place a user."""
        return cls(Path(tempfile.gettempdir()) / f"colisten-releases-{os.getuid()}")

    def take(self, source: Path) -> PrivateCopy:
        """Hold a copy of a release folder, made and checked here or by another process.

        Raises:
            ReleaseCorrupt: A file differs from the manifest.
            OSError: There is no room, or the files cannot be read.
        """
        manifest = Manifest.read(source)
        watch = SourceFiles(source, manifest)
        held = self._lock(f"{manifest.release_id}.lock")
        fcntl.flock(held, fcntl.LOCK_SH)
        folder = self._folder / manifest.release_id
        try:
            with self._lock("making") as making:
                fcntl.flock(making, fcntl.LOCK_EX)  # the kernel frees it with its holder
                if not _whole(source, folder, manifest):
                    watch.trust()  # what is copied from here on is checked
                    _copy(source, folder, manifest)
        except BaseException:
            watch.close()
            held.close()
            raise
        return PrivateCopy(folder, manifest, held, watch)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other process of this user has the turn, and keep it meanwhile."""
        with self._lock("turn") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # the kernel frees it with its holder
            yield

    def _lock(self, name: str) -> IO[bytes]:
        return (self._folder / name).open("ab")

    def _sweep(self) -> None:
        """Remove the copies of processes that are gone, however they ended."""
        sweep_abandoned(self._folder)
        for file in self._folder.glob("*.lock"):
            _remove_unheld(self._folder / file.stem, file)


class PrivateCopy:
    """One release's copy, held until it is closed.

    Attributes:
        folder: Where it lies.
        manifest: What it is.
        source: The files that it was made of.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, held: IO[bytes], source: SourceFiles
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.source = source
        self._held = held

    def close(self) -> None:
        """Let go; the last holder removes it. What is mapped stays readable."""
        self.source.close()
        lock = Path(self._held.name)
        self._held.close()
        _remove_unheld(self.folder, lock)


class SourceFiles:
    """The files of a release where it was published, watched for change and marked as in use.

    Looking costs a `stat` a file; a digest is taken only of a file whose identity has changed.

    Args:
        folder: `releases/<release_id>`.
        manifest: What the files must be.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder = folder
        self._manifest = manifest
        self._judged: dict[str, tuple[_Identity | None, str | None]] = {}
        self._mark = (folder / MANIFEST).open("rb")
        with suppress(OSError):  # some file systems know no locks
            fcntl.flock(self._mark, fcntl.LOCK_SH)

    def close(self) -> None:
        """Stop watching: as far as this process goes, the release may be pruned."""
        self._mark.close()

    def trust(self) -> None:
        """Take the files as they are for whole: somebody else is about to compare them."""
        self._judged = {name: (self._identity(name), None) for name in self._names()}

    def fault(self) -> str | None:
        """What is wrong with the files now, one sentence; None where nothing is."""
        for name in self._names():
            identity = self._identity(name)
            known = self._judged.get(name)
            if known is None or known[0] != identity:
                self._judged[name] = identity, self._compared(name, identity)
        faults = [fault for _, fault in self._judged.values() if fault is not None]
        return faults[0] if faults else None

    def _names(self) -> tuple[str, ...]:
        return (MANIFEST, *self._manifest.files)

    def _identity(self, name: str) -> _Identity | None:
        try:
            status = (self._folder / name).stat()
        except OSError:
            return None
        # Whoever copies in place may set a file's moment back; nobody sets when that was.
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _compared(self, name: str, identity: _Identity | None) -> str | None:
        file = self._folder / name
        if identity is None:
            return f"{file} is missing."
        try:
            if name == MANIFEST:
                same = Manifest.read(self._folder).release_id == self._manifest.release_id
            else:
                entry = self._manifest.files[name]
                same = identity[1] == entry.bytes and file_digest(file) == entry.sha256
        except (OSError, ReleaseError) as error:
            return f"{file} cannot be read: {error}"
        return None if same else f"{file} differs from its digest."


def in_use(folder: Path) -> bool:
    """Whether a process of this machine serves the release that lies there."""
    try:
        with (folder / MANIFEST).open("rb") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks, or no manifest
        return False
    return False


def _whole(source: Path, folder: Path, manifest: Manifest) -> bool:
    try:
        if (folder / MANIFEST).read_bytes() != (source / MANIFEST).read_bytes():
            return False
        manifest.check_files(folder)
    except (OSError, ReleaseError):
        return False
    return True


def _copy(source: Path, folder: Path, manifest: Manifest) -> None:
    present = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    if missing := sorted(manifest.files.keys() - present):
        raise ReleaseCorrupt(f"{source / missing[0]} is missing.", "Publish the release again.")
    if extra := sorted(present - manifest.files.keys() - {MANIFEST}):
        raise ReleaseCorrupt(f"{source} holds {extra[0]}, which its manifest does not name.")
    with write_aside(folder) as aside:
        for name in (*manifest.files, MANIFEST):
            file = aside / name
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, file)
            file.chmod(0o400)
        try:
            manifest.check_files(aside)
        except ReleaseCorrupt as error:
            told = error.what.replace(str(aside), str(source))
            raise ReleaseCorrupt(told, error.do) from error
    log.info("release copied", release_id=manifest.release_id, folder=str(folder))


def _remove_unheld(folder: Path, lock: Path) -> None:
    """Remove a copy that no process holds; the lock's file stays for whoever waits on it."""
    with suppress(OSError), lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
