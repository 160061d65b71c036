"""The service's way to the index survives the index server's death and move."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import VectorIndexError
from colisten.index import open_index
from colisten.index.filter import EVERY_ITEM
from colisten.index.lite_server import LiteServer
from colisten.serving.index_client import IndexClient
from colisten.settings.index import IndexSettings

NAMES = ["a", "b", "c", "d"]
VECTORS = np.eye(4, dtype=np.float32)


def ask(client: IndexClient, row: int = 1) -> str:
    ids, _ = client.search("things", VECTORS[row : row + 1], 1, filter=EVERY_ITEM, deadline=5.0)
    return ids[0]


def test_it_never_takes_the_embedded_index_for_itself(tmp_path: Path) -> None:
    client = IndexClient(tmp_path, IndexSettings(backend="milvus"))
    with pytest.raises(VectorIndexError, match="No index server runs"):
        ask(client)
    assert not (tmp_path / "index").exists()


def test_the_exact_backend_needs_no_server(tmp_path: Path) -> None:
    settings = IndexSettings(backend="exact")
    open_index(tmp_path, settings).create("things", NAMES, VECTORS)
    assert ask(IndexClient(tmp_path, settings), 2) == "c"


@pytest.mark.slow
def test_it_finds_a_server_that_was_killed_and_came_back_elsewhere(tmp_path: Path) -> None:
    client = IndexClient(tmp_path, IndexSettings(backend="milvus"))
    with LiteServer(tmp_path) as server:
        with open_index(tmp_path, IndexSettings(backend="milvus")) as index:
            index.create("things", NAMES, VECTORS)
        assert ask(client) == "b"
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        started = time.monotonic()
        with pytest.raises(VectorIndexError):
            ask(client)
        assert time.monotonic() - started < 10
    with LiteServer(tmp_path):
        assert ask(client) == "b"
    client.close()
