"""Several processes on one embedded index: the server that makes it possible."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import VectorIndexError
from colisten.index import ExactIndex, open_index
from colisten.index.lite_server import LiteServer, endpoint_of, live_endpoint
from colisten.index.milvus import MilvusIndex
from colisten.settings.index import IndexSettings

MILVUS = IndexSettings(backend="milvus")
VECTORS = np.eye(4, dtype=np.float32)
IDS = ["a", "b", "c", "d"]
PRELUDE = """
import sys, time
from pathlib import Path
import numpy as np
from colisten.settings.index import IndexSettings
from colisten.index import open_index
from colisten.index.lite_server import LiteServer
from colisten.logs import configure_logs
MILVUS = IndexSettings(backend="milvus")
configure_logs()
root = Path(sys.argv[1])
vectors = np.eye(4, dtype=np.float32)
"""


def python(code: str, root: Path) -> subprocess.Popen[str]:
    """Another process, where `root` and `vectors` are given."""
    command = [sys.executable, "-c", PRELUDE + code, str(root)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def fill(root: Path, name: str) -> None:
    with open_index(root, MILVUS) as index:
        index.create(name, IDS, VECTORS)


NASTY = "item_type=podcast/a [b] 'q' \"d\" #%41 ü/*?{a,b}/back\\slash/co:lon/~x/$HOME/two\nlines"


def test_an_index_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    root = tmp_path / NASTY
    with LiteServer(root) as server:
        assert live_endpoint(root) == server.uri
        fill(root, "c")
        with open_index(root, MILVUS) as index:
            assert index.search("c", VECTORS[1:2], 1)[0][0][0] == "b"
    with MilvusIndex(str(root / "embedded.db")) as embedded:
        embedded.create("c", IDS, VECTORS)
        assert embedded.count("c") == 4
    assert (root / "embedded.db").exists()


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_processes_share_it_and_what_they_write_survives(tmp_path: Path) -> None:
    with LiteServer(tmp_path) as server:
        pid = server.pid
        assert pid is not None
        fill(tmp_path, "mine")
        code = """
index = open_index(root, MILVUS)
index.create("theirs", list("wxyz"), vectors)
index.point_alias("live", "mine")
print(index.search("mine", vectors[2:3], 1)[0][0][0])
"""
        others = [python(code, tmp_path), python("print(1)", tmp_path)]
        assert others[0].communicate(timeout=60)[0].strip() == "c", others[0].stderr
        others[1].communicate(timeout=60)
        with open_index(tmp_path, MILVUS) as index:
            assert index.search("theirs", VECTORS[1:2], 1)[0] == [["x"]]
            assert index.search("live", VECTORS[1:2], 1)[0] == [["b"]]
        os.kill(pid, signal.SIGKILL)  # not even a clean end
        assert gone(pid)
        assert live_endpoint(tmp_path) is None
    with LiteServer(tmp_path), open_index(tmp_path, MILVUS) as index:
        assert index.collections() == ["mine", "theirs"]
        assert index.resolve_alias("live") == "mine"
        assert index.search("live", VECTORS[3:], 2)[0][0][0] == "d"
        assert index.count("theirs") == 4


@pytest.mark.slow
def test_a_client_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    with LiteServer(tmp_path) as first:
        fill(tmp_path, "mine")
        index = open_index(tmp_path, MILVUS)
        assert index.search("mine", VECTORS[:1], 1)[0] == [["a"]]
    with pytest.raises(VectorIndexError):
        index.search("mine", VECTORS[:1], 1, deadline=0.5)
    place = Path(first.uri.removeprefix("unix:"))
    place.parent.mkdir(mode=0o700)
    command = [sys.executable, "-m", "colisten.index.lite_process"]
    again = subprocess.Popen(
        [*command, str(tmp_path / "index" / "milvus.db"), str(place), str(os.getpid())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                found, _ = index.search("mine", VECTORS[:1], 1, deadline=2.0)
                break
            except VectorIndexError:
                assert time.monotonic() < end
                time.sleep(0.2)
        assert found == [["a"]]
    finally:
        again.terminate()
        again.wait()
        index.close()


def ports(process: int) -> set[str]:
    """Addresses of the network at which a process listens."""
    links = (link.readlink() for link in Path(f"/proc/{process}/fd").iterdir() if link.is_symlink())
    own = {str(link)[8:-1] for link in links if str(link).startswith("socket:[")}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[9] in own and row[3] == "0A"}


def test_it_has_no_port_and_a_second_one_uses_it(tmp_path: Path) -> None:
    with LiteServer(tmp_path) as first:
        assert first.pid is not None
        assert ports(first.pid) == set()
        folder = Path(first.uri.removeprefix("unix:")).parent
        assert folder.stat().st_mode & 0o777 == 0o700

        with LiteServer(tmp_path) as second:
            assert second.uri == first.uri
            assert second.pid is None
        assert live_endpoint(tmp_path) == first.uri
        with open_index(tmp_path, MILVUS) as index:
            assert isinstance(index, MilvusIndex)
            assert index.describe() == {"backend": "milvus", "kind": "lite"}
    assert live_endpoint(tmp_path) is None
    assert not endpoint_of(tmp_path).exists()
    assert not folder.exists()


def test_in_this_process_it_has_no_port_either(tmp_path: Path) -> None:
    before = ports(os.getpid())
    with open_index(tmp_path, MILVUS) as index, open_index(tmp_path, MILVUS) as other:
        index.create("mine", IDS, VECTORS)
        assert other.count("mine") == 4
        assert ports(os.getpid()) == before


@pytest.mark.slow
def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    code = """
with LiteServer(root) as server:
    print(server.pid, flush=True)
    time.sleep(60)
"""
    parent = python(code, tmp_path)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert gone(pid)
    assert endpoint_of(tmp_path).exists()  # nobody could remove it, and nobody believes it
    assert live_endpoint(tmp_path) is None
    with LiteServer(tmp_path) as server:
        assert live_endpoint(tmp_path) == server.uri


def test_an_endpoint_is_believed_only_of_its_own_server(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen()
        endpoint_of(tmp_path).parent.mkdir(parents=True)
        told = ({"pid": pid, "socket": str(place)} for pid in (os.getpid(), 2**22 + 1))
        for left in (*map(json.dumps, told), '{"pid": 1, "port": 19530}', "{}", "[]"):
            endpoint_of(tmp_path).write_text(left)
            assert live_endpoint(tmp_path) is None
        endpoint_of(tmp_path).write_text("{half")
        assert live_endpoint(tmp_path) is None


@pytest.mark.slow
def test_without_a_server_one_process_at_a_time(tmp_path: Path) -> None:
    index = open_index(tmp_path, MILVUS)
    index.create("mine", IDS, VECTORS)
    second = open_index(tmp_path, MILVUS)  # the same process: they share it
    assert second.count("mine") == 4
    second.close()
    code = """
from colisten.errors import VectorIndexError
try:
    open_index(root, MILVUS)
except VectorIndexError as error:
    print(error)
try:
    LiteServer(root).__enter__()
except VectorIndexError as error:
    print(error)
"""
    refused = python(code, tmp_path).communicate(timeout=90)[0].splitlines()
    assert "LiteServer" in refused[-2]
    assert "Another process may have it open" in refused[-1]
    assert index.count("mine") == 4
    index.close()
    index.close()
    code = "print(open_index(root, MILVUS).count('mine'))"
    assert python(code, tmp_path).communicate(timeout=60)[0].strip() == "4"


def test_settings_choose_the_index(tmp_path: Path) -> None:
    with open_index(tmp_path, IndexSettings(backend="exact")) as index:
        assert isinstance(index, ExactIndex)
        index.create("mine", IDS, VECTORS)
    with open_index(tmp_path, IndexSettings(backend="exact")) as index:
        assert index.count("mine") == 4


def test_a_server_out_of_reach_is_said_soon(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
    start = time.monotonic()
    with pytest.raises(VectorIndexError, match=r"index\.uri"):
        open_index(tmp_path, IndexSettings(uri=uri))
    assert time.monotonic() - start < 15
