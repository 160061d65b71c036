"""Tables in a bucket, as data teams leave them there: read, and never written."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path, PurePosixPath

from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket

_CHANGED = "Somebody writes there: start again when that is done."


class BucketPlace:
    """A prefix of a bucket as a place of tables (`colisten.data.gather`).

    Args:
        bucket: The objects below the prefix.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._bytes: dict[str, int] = {}

    @classmethod
    def at(cls, address: str) -> BucketPlace:
        """That of s3://bucket/prefix; raises ConfigError where it is none."""
        return cls(Bucket(StoreAddress.parse(address)))

    def names(self) -> list[PurePosixPath]:
        """Every object but the empty ones that stand for folders."""
        listed = [one for one in self._bucket.names("") if not one.name.endswith("/")]
        self._bytes = {one.name: one.bytes for one in listed}
        return [PurePosixPath(name) for name in self._bytes]

    def fetched(self, name: PurePosixPath, work: Path) -> Path:
        """A copy of an object, under a name that no object has chosen."""
        text = name.as_posix()
        file = work / f"{sha256(text.encode()).hexdigest()}.parquet"
        if not file.exists():
            self._bucket.fetch(text, file, self._bytes[text], otherwise=_CHANGED)
        return file

    def __str__(self) -> str:
        return str(self._bucket.address)
