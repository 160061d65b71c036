"""Which index an output folder uses."""

from __future__ import annotations

from pathlib import Path

from colisten.index.exact import ExactIndex
from colisten.index.lite_server import database_of, live_endpoint
from colisten.index.protocol import VectorIndex
from colisten.sections import IndexSettings


def open_index(root: Path, settings: IndexSettings) -> VectorIndex:
    """Open the index of an output folder.

    In this order: exact search over files where `index.backend` is exact; the Milvus server of
    `index.uri`; the Milvus Lite server that `LiteServer` runs for `root`; Milvus Lite in this
    process, which then holds root/index/milvus.db until `close`.

    Args:
        root: Output folder.
        settings: The `index` section.

    Raises:
        VectorIndexError: The server is out of reach, or another process holds the folder.
    """
    if settings.backend == "exact":
        return ExactIndex(root / "index" / "exact")
    from colisten.index.milvus import MilvusIndex  # loading pymilvus takes a second

    if settings.uri is not None:
        return MilvusIndex(settings.uri, ef=settings.ef)
    running = live_endpoint(root)
    if running is not None:
        return MilvusIndex(running, lite=True)
    return MilvusIndex(str(database_of(root)))
