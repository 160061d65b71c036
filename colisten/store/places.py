"""Work on a store as on a folder: fetched before, pushed after, in a folder that nobody serves.

What is served is a mirror of its own: what a writer has not pushed yet is in no service's folder.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from colisten.errors import FileError
from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket
from colisten.store.mirror import Mirror
from colisten.store.pushing import push

WORK, SERVED = "work", "served"
_DIGITS = 16


def own_folder(bucket: Bucket, purpose: str) -> Path:
    """A folder of this user's alone for a store, in the one for temporary files (TMPDIR).

    Args:
        bucket: The store.
        purpose: `WORK` or `SERVED`.

    Raises:
        FileError: It is another user's, or others may write there.
    """
    whose = Path(tempfile.gettempdir()) / f"colisten-stores-{os.getuid()}"
    try:
        whose.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = whose.lstat()
    except OSError as error:
        raise FileError(f"Cannot make {whose}: {error}.", "Point TMPDIR elsewhere.") from error
    own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if not own or status.st_mode & 0o077:
        raise FileError(
            f"{whose} is not a folder that this user alone can use.",
            "Remove it, or point TMPDIR elsewhere.",
        )
    which = sha256(f"{bucket.endpoint} {bucket.address}".encode()).hexdigest()[:_DIGITS]
    folder = whose / which / purpose
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def worked_on(
    address: StoreAddress, needed: Iterable[str] = (), *, manifests: bool = False
) -> Iterator[Mirror]:
    """A mirror to work on; what is new in it at the end is pushed, if nothing was raised.

    Writers of one user and machine take turns; of others, the first one wins.

    Args:
        address: The store.
        needed: Releases that are worked on, beside the live one.
        manifests: Whether every release is listed.

    Raises:
        StoreChanged: Another writer was first: nothing of this is served.
        StoreError: The store is out of reach, or is none.
        ReleaseNotFound: It has no such release.
    """
    bucket = Bucket(address)
    mirror = Mirror(own_folder(bucket, WORK), bucket)
    with mirror.turn():
        mirror.fetch(needed)
        if manifests:
            mirror.need_manifests()
        yield mirror
        push(mirror)
