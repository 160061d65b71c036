"""Where a store is, and the one rule of which one a command or a service works on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from colisten.errors import ConfigError
from colisten.variables import STORE
from colisten.words import shown

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Characters that S3 calls safe: a key is the same in a URL, a signature and a listing.
_SEGMENT = re.compile(r"[A-Za-z0-9!_.*'()-]+")
# S3 takes 1,024 bytes of a key; below the prefix lie releases' own file names.
_MOST = 512


@dataclass(frozen=True)
class StoreAddress:
    """A bucket and what all keys begin with.

    Attributes:
        bucket: Its name.
        prefix: Without a slash at either end; empty where the store is the whole bucket.
    """

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> StoreAddress:
        """Read `s3://bucket/prefix`.

        Raises:
            ConfigError: It is none.
        """
        bucket, _, prefix = text.removeprefix(SCHEME).partition("/")
        prefix = prefix.removesuffix("/")
        parts = prefix.split("/") if prefix else []
        well = (
            is_store(text)
            and _BUCKET.fullmatch(bucket) is not None
            and ".." not in bucket
            and all(_SEGMENT.fullmatch(part) and part.strip(".") for part in parts)
            and len(prefix) <= _MOST
        )
        if not well:
            # Whoever writes a secret before an @ would find it in every log.
            told = "of a store holds an @" if "@" in text else f"{shown(text)} is no store"
            raise ConfigError(
                f"The address {told}.",
                "Write s3://bucket or s3://bucket/prefix; who asks and where, AWS's own variables "
                "say (AWS_PROFILE, AWS_ENDPOINT_URL_S3, ...).",
            )
        return cls(bucket, prefix)

    def key(self, *parts: str) -> str:
        """The key of what lies there."""
        return "/".join((*([self.prefix] if self.prefix else []), *parts))

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}{'/' if self.prefix else ''}{self.prefix}"


def is_store(text: str) -> bool:
    """Whether a text is meant as the address of a store, and not as a folder."""
    return text.startswith(SCHEME)


Place = Path | StoreAddress
"""Where releases are: a folder, or a store."""


def store_of(given: str | None, variables: Mapping[str, str]) -> StoreAddress | None:
    """Which store is meant: the one that somebody typed, else the one of `COLISTEN_STORE`.

    Raises:
        ConfigError: It is no address.
    """
    text = given or variables.get(STORE)
    return StoreAddress.parse(text) if text else None
