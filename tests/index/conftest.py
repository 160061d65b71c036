"""The indexes that keep one promise, and unit vectors to ask them about."""

from __future__ import annotations

import importlib.util
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from colisten.index import ExactIndex, VectorIndex, open_index
from colisten.index.milvus import MilvusIndex
from colisten.index.opening import index_class
from colisten.settings.index import INDEX_BACKENDS, IndexSettings

KINDS = [
    "memory",
    *INDEX_BACKENDS,
    pytest.param("milvus-server", marks=pytest.mark.slow),
]


def unit(rng: np.random.Generator, n: int, d: int = 16) -> np.ndarray:
    """Random unit rows, float32 [n, d]."""
    vectors = rng.normal(size=(n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An output folder that several processes share, with what each index needs for that."""
    home = tmp_path_factory.mktemp("shared")
    with ExitStack() as stack:
        for backend in INDEX_BACKENDS:
            settings = IndexSettings(backend=backend)
            stack.enter_context(index_class(backend).companion(home, settings))
        yield home


@pytest.fixture(scope="session")
def milvus_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Milvus 2.3.5 server with its own etcd."""
    if importlib.util.find_spec("milvus") is None:
        pytest.skip("the package `milvus`, which carries the server, is not installed")
    from milvus import default_server

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    default_server.set_base_dir(str(tmp_path_factory.mktemp("milvus")))
    default_server.listen_port = port
    try:
        default_server.start()
        # It takes the next port where ours is not free after all.
        yield f"http://127.0.0.1:{default_server.listen_port}"
    finally:
        default_server.stop()


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest) -> Iterator[VectorIndex]:
    """Each kind of index in turn."""
    made: VectorIndex
    if request.param == "memory":
        made = ExactIndex()
    elif request.param == "milvus-server":
        made = MilvusIndex(request.getfixturevalue("milvus_uri"))
    else:
        home = request.getfixturevalue("shared_home")
        made = open_index(home, IndexSettings(backend=request.param))
    with made:
        yield made


@pytest.fixture
def name() -> str:
    """A collection name that no other test uses."""
    return f"c_{uuid.uuid4().hex[:12]}"
