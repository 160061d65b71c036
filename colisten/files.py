"""Writing that is never half done, and content digests.

A file or folder is written beside its place under a temporary name and renamed into it once it
is whole, so a crash leaves either the old content or none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colisten.child import lives

_BLOCK = 1 << 20


@contextmanager
def write_aside(target: Path) -> Iterator[Path]:
    """Yield a path beside `target` to write a file or a folder at; rename it there at the end.

    An existing `target` is replaced. On any exception the aside is removed and `target` is
    left as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(target)
    try:
        yield aside
        if aside.is_dir():
            _replace_folder(aside, target)
        else:
            _sync(aside)
            os.replace(aside, target)
    finally:
        _remove(aside)


def located(path: Path) -> Path:
    """The absolute path behind links. Links in a circle stay: whoever opens them is refused."""
    return Path(os.path.realpath(path))


def sweep_partials(folder: Path) -> list[Path]:
    """Remove what killed writers left in `folder`; returns what was removed."""
    left = sorted(folder.glob(".*.partial"))
    for path in left:
        _remove(path)
    return left


def sweep_abandoned(folder: Path) -> list[Path]:
    """Remove what killed writers left anywhere under `folder`; returns what was removed.

    Unlike `sweep_partials` it needs no lock: what a living process writes stays.
    """
    left = []
    for path in folder.rglob(".*.partial"):
        writer = path.name.split(".")[-2].partition("-")[0]
        if writer.isdecimal() and not lives(int(writer)):
            left.append(path)
    for path in left:
        _remove(path)
    return sorted(left)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under `folder`, by path relative to it, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def combined_digest(digests: dict[str, str]) -> str:
    """One SHA-256 over named digests, independent of their order."""
    lines = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def _aside(target: Path) -> Path:
    """A name beside `target` that nobody has, and that tells who writes there."""
    # File systems take 255 bytes of a name.
    start = os.fsencode(target.name)[:200].decode(errors="ignore")
    return target.with_name(f".{start}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _replace_folder(aside: Path, target: Path) -> None:
    if target.exists():
        old = _aside(target)
        os.replace(target, old)
        os.replace(aside, target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(aside, target)


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
