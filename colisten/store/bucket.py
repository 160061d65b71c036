"""Objects of one bucket: read, written, created once, listed, removed; every wait has an end.

Who asks, in which region and where is said by AWS's own variables, profile, web identity or
instance role, as every tool of AWS reads them; none of it is a setting of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colisten.errors import StoreError, StoreUnreachable
from colisten.extras import needs
from colisten.files import file_digest
from colisten.logs import logger
from colisten.store.address import StoreAddress

needs("boto3", "botocore", "urllib3")

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

# Attempts are few: a service asks again by itself, and a command says what is wrong.
_CALM = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=16,
)
# Above it a file travels in parts, several at a time and each tried again by itself.
_PARTS_FROM = 16 << 20
_TRANSFER = TransferConfig(
    multipart_threshold=_PARTS_FROM, multipart_chunksize=_PARTS_FROM, max_concurrency=4
)
_DIGEST = "sha256"
_PROBE = "probe"
_PATIENT = "Look at the network, AWS_ENDPOINT_URL_S3 and the store; then try again."
_honouring: set[tuple[str, str]] = set()
log = logger("store")


@dataclass(frozen=True)
class Listed:
    """An object of a listing.

    Attributes:
        name: Its key below the store's prefix.
        bytes: Its size.
        tag: Changes with its content.
    """

    name: str
    bytes: int
    tag: str


class Bucket:
    """The objects of a store, by their names below its prefix.

    Args:
        address: Which.

    Raises:
        ConfigError: boto3 is not installed.
        StoreError: The environment says nothing that a client can be made of.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        with self._told():
            self._client: Any = boto3.session.Session().client("s3", config=_CALM)

    @property
    def endpoint(self) -> str:
        """The server that is asked."""
        return str(self._client.meta.endpoint_url)

    def names(self, prefix: str, *, after: str | None = None) -> list[Listed]:
        """Objects whose names begin with `prefix`, in order; only those after a name."""
        start = {} if after is None else {"StartAfter": self.address.key(after)}
        cut = len(self.address.key("")) if self.address.prefix else 0
        with self._told():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.address.bucket, Prefix=self.address.key(prefix), **start
            )
            return [
                Listed(one["Key"][cut:], int(one["Size"]), str(one["ETag"]))
                for page in pages
                # An answer without a body would read as an empty store.
                for one in (page["Contents"] if page["KeyCount"] else ())
            ]

    def read(self, name: str, *, most: int) -> bytes | None:
        """The bytes of an object; None where there is none.

        Raises:
            StoreError: It has more than `most`.
        """
        with self._told():
            try:
                answer = self._client.get_object(**self._at(name))
            except ClientError as error:
                if _code(error) == 404:
                    self._absent(error)
                    return None
                raise
            with answer["Body"] as body:
                if answer["ContentLength"] > most:
                    raise StoreError(f"{self.address}/{name} has more than {most:,} bytes.")
                return bytes(body.read())

    def fetch(
        self, name: str, file: Path, size: int, *, otherwise: str = "Push the release again."
    ) -> None:
        """Write an object to a new file.

        Args:
            name: Of the object.
            file: Where; its folder is there.
            size: Bytes that it should have.
            otherwise: What to do where it has not.

        Raises:
            StoreError: There is none, or it has another size.
        """
        if size < _PARTS_FROM:
            content = self.read(name, most=_PARTS_FROM)
            if content is not None:
                file.write_bytes(content)
        else:
            with self._told():
                self._client.download_file(
                    self.address.bucket, self.address.key(name), str(file), Config=_TRANSFER
                )
        if not file.is_file() or file.stat().st_size != size:
            raise StoreError(f"{self.address}/{name} is not there with {size:,} bytes.", otherwise)

    def store(self, name: str, file: Path) -> None:
        """Write a file to an object, unless it holds the same already; compared when written."""
        digest, size = file_digest(file), file.stat().st_size
        if self._holds(name, digest, size):
            return
        with self._told():
            self._client.upload_file(
                str(file),
                self.address.bucket,
                self.address.key(name),
                ExtraArgs={"Metadata": {_DIGEST: digest}, "ChecksumAlgorithm": "SHA256"},
                Config=_TRANSFER,
            )
        if not self._holds(name, digest, size):
            raise StoreError(f"{self.address}/{name} is not what was written there.")

    def create(self, name: str, content: bytes) -> bool:
        """Write an object that is not there yet; False where another is there.

        What is there with the same bytes is this one: an answer may be lost on its way.
        """
        most = max(1 << 20, len(content))
        try:
            return self._created(name, content) or self.read(name, most=most) == content
        except StoreUnreachable:
            # It may have been written all the same; who cannot ask does not know.
            if self.read(name, most=most) == content:
                return True
            raise

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with self._told():
            self._client.delete_object(**self._at(name))

    def check_creation(self) -> None:
        """Refuse a bucket that lets two writers create one object; asked once a process.

        Raises:
            StoreError: It does, or does not know the question.
        """
        which = self.endpoint, self.address.bucket
        if which in _honouring:
            return
        try:
            # Whoever finds another's probe has been told what it asks.
            honours = not (self._created(_PROBE, b"") and self._created(_PROBE, b""))
            self.remove(_PROBE)
        except StoreUnreachable:
            raise
        except StoreError as error:
            raise StoreError(
                f"{self.address} takes no conditional write: {error.what}",
                "Two writers could both be first: use a bucket that honours If-None-Match.",
            ) from error
        if not honours:
            raise StoreError(
                f"{self.address} lets two writers create one object: it does not honour "
                "If-None-Match.",
                "Two writers could both be first: use a bucket that does.",
            )
        _honouring.add(which)

    def _created(self, name: str, content: bytes) -> bool:
        with self._told():
            try:
                self._client.put_object(**self._at(name), Body=content, IfNoneMatch="*")
            except ClientError as error:
                if _code(error) not in (409, 412):
                    raise
                return False
        return True

    def _holds(self, name: str, digest: str, size: int) -> bool:
        with self._told():
            try:
                head = self._client.head_object(**self._at(name))
            except ClientError as error:
                if _code(error) == 404:
                    return False
                raise
            there = head["ContentLength"] == size
        return bool(there and head.get("Metadata", {}).get(_DIGEST) == digest)

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.address.bucket, "Key": self.address.key(name)}

    def _absent(self, error: ClientError) -> None:
        if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            raise error

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the client raises into what is wrong with the store."""
        try:
            yield
        except NoCredentialsError as error:
            raise StoreError(
                f"Nothing says who asks for {self.address}.",
                "Set AWS_PROFILE, AWS_ACCESS_KEY_ID or a web identity.",
            ) from error
        except ClientError as error:
            status = _code(error)
            if status >= 500 or status == 429:
                raise StoreUnreachable(f"{self.address} fails: {error}", _PATIENT) from error
            raise StoreError(
                f"{self.address} refuses: {error}",
                "Look at the bucket's name and policy.",
            ) from error
        except (KeyError, ResponseParserError) as error:
            # The client takes headers and documents that were cut off for whole ones.
            raise StoreUnreachable(f"{self.address} broke off: {error}", _PATIENT) from error
        except (BotoCoreError, Boto3Error, HTTPError, ConnectionError) as error:
            raise StoreUnreachable(f"{self.address} is out of reach: {error}", _PATIENT) from error


def _code(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
