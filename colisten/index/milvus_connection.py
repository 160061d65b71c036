"""Opening Milvus, and whatever its client raises as one error of ours."""

from __future__ import annotations

from colisten.extras import needs

needs("pymilvus", "grpc")

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import grpc  # type: ignore[import-untyped]
from pymilvus import MilvusClient, MilvusException

from colisten.addresses import keeps_secrets
from colisten.errors import VectorIndexError
from colisten.variables import MILVUS_TOKEN

# Every failure is raised again as a VectorIndexError; pymilvus would print its trace besides.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

PATIENCE_SECONDS = 30.0  # of a search without a deadline and of small administrative calls


def connected(uri: str, *, with_token: bool) -> MilvusClient:
    """A client of the server at `uri`.

    Args:
        uri: Of the server.
        with_token: Whether the server is one that COLISTEN_MILVUS_TOKEN is meant for.

    Raises:
        VectorIndexError: The server is out of reach, or the token would travel in clear.
    """
    token = os.environ.get(MILVUS_TOKEN, "") if with_token else ""
    if token and not keeps_secrets(uri):
        raise VectorIndexError(
            f"{MILVUS_TOKEN} is not sent to {uri} in clear.",
            "Give index.uri as https://host:port, or a server on this machine.",
        )
    try:
        with asking("open", uri):
            return MilvusClient(
                uri,
                token=token,
                timeout=PATIENCE_SECONDS,
                dedicated=True,
            )
    except VectorIndexError as error:
        raise VectorIndexError(
            f"Milvus cannot be opened at {uri}: {error.what}",
            "Is the server up? See index.uri."
            if with_token
            else f"Is the server up? {MILVUS_TOKEN} goes only where index.uri says.",
        ) from error


@contextmanager
def asking(verb: str, what: str) -> Iterator[None]:
    """Turn whatever the client raises into one error."""
    try:
        yield
    except grpc.RpcError as error:
        code = error.code() if isinstance(error, grpc.Call) else type(error).__name__
        raise VectorIndexError(f"Milvus did not {verb} {what}: {code}.") from error
    except (MilvusException, grpc.FutureTimeoutError, OSError, ValueError) as error:
        raise VectorIndexError(f"Milvus did not {verb} {what}: {error}.") from error
