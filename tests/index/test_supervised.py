"""Milvus Lite's server beside a service is there again whenever it was gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from colisten.index import open_index
from colisten.index.lite_server import LiteServer, endpoint_of, live_endpoint
from colisten.index.supervised import SupervisedServer
from colisten.settings.index import IndexSettings

pytestmark = pytest.mark.slow
VECTORS = np.eye(4, dtype=np.float32)


def soon(true: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_a_server_that_is_killed_is_started_again_with_what_it_held(tmp_path: Path) -> None:
    before_it = set(threading.enumerate())
    with SupervisedServer(tmp_path):
        first = live_endpoint(tmp_path)
        assert first is not None
        with open_index(tmp_path, IndexSettings(backend="milvus")) as index:
            index.create("things", list("abcd"), VECTORS)
        for _ in range(2):
            before = endpoint_of(tmp_path).read_text()
            pid = int(before.split('"pid":')[1].split(",")[0])
            os.kill(pid, signal.SIGKILL)
            assert soon(lambda: live_endpoint(tmp_path) is None)
            assert soon(lambda: live_endpoint(tmp_path) is not None)
            assert endpoint_of(tmp_path).read_text() != before
        with open_index(tmp_path, IndexSettings(backend="milvus")) as index:
            assert index.count("things", deadline=10.0) == 4
            assert index.search("things", VECTORS[1:2], 1)[0] == [["b"]]
    assert live_endpoint(tmp_path) is None
    assert not endpoint_of(tmp_path).exists()
    left = set(threading.enumerate()) - before_it
    assert "index-server" not in {thread.name for thread in left}


def test_a_server_that_hangs_is_replaced(tmp_path: Path) -> None:
    with SupervisedServer(tmp_path, patience_seconds=4.0):
        first = live_endpoint(tmp_path)
        time.sleep(6)
        assert live_endpoint(tmp_path) == first  # one that talks is left alone
        pid = int(endpoint_of(tmp_path).read_text().split('"pid":')[1].split(",")[0])
        os.kill(pid, signal.SIGSTOP)
        assert soon(lambda: live_endpoint(tmp_path) not in (None, first))
        assert not Path(f"/proc/{pid}").exists()


def test_it_takes_over_from_a_server_of_somebody_else(tmp_path: Path) -> None:
    with LiteServer(tmp_path) as theirs:
        with SupervisedServer(tmp_path):
            assert live_endpoint(tmp_path) == theirs.uri
            theirs.__exit__(None, None, None)
            assert soon(lambda: live_endpoint(tmp_path) not in (None, theirs.uri))
        assert live_endpoint(tmp_path) is None


def test_a_folder_that_is_held_is_waited_for(tmp_path: Path) -> None:
    held = open_index(tmp_path, IndexSettings(backend="milvus"))  # embedded: nobody else gets in
    with SupervisedServer(tmp_path):
        assert live_endpoint(tmp_path) is None
        held.close()
        assert soon(lambda: live_endpoint(tmp_path) is not None)


def test_a_server_is_found_through_links_and_dots(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with LiteServer(tmp_path / "link") as server:
        for path in (tmp_path / "real", tmp_path / "real" / "deep" / "..", tmp_path / "link"):
            assert live_endpoint(path) == server.uri
