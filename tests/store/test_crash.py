"""A process that ends at any write, and a connection cut at any byte: old or new, never mixed.

The child counts what it writes, in the bucket and on disk, and ends itself with SIGKILL before
the n-th, which is after the one before; n runs until the child gets through.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from colisten.errors import StoreError
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from colisten.steps.use_cases import release as use_case
from colisten.steps.use_cases.store import fetch_home, home_at, push_home
from colisten.store.address import StoreAddress
from tests.store.conftest import Origin

EXACT = IndexSettings(backend="exact")
CHILD = """
import os, signal, sys, tempfile
from pathlib import Path
from botocore.client import BaseClient
from colisten.settings.index import IndexSettings
from colisten.steps.use_cases import release as use_case
from colisten.steps.use_cases.store import fetch_home, home_at, push_home
from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket

address, temporary = StoreAddress.parse(sys.argv[1]), sys.argv[2]
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
Bucket(address).check_creation()  # once a process: children need not
tempfile.tempdir = temporary
exact = IndexSettings(backend="exact")
asked = BaseClient._make_api_call

def act(action, argument):
    if action == "push":
        push_home(Path(argument), address)
    elif action == "fetch":
        fetch_home(Path(argument), address)
    elif action == "promote":
        with home_at(address, [argument], searched=exact) as home:
            use_case.promote_release(home, argument, index=exact)
    else:
        with home_at(address) as home:
            use_case.roll_back(home, index=exact)

def attempt(action, argument, stop_at):
    writes = 0
    def guarded(effect):
        def run(*arguments, **named):
            nonlocal writes
            writes += 1
            if writes == stop_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return effect(*arguments, **named)
        return run
    changing = guarded(asked)
    def call(self, operation, parameters):
        writes_there = operation in ("PutObject", "DeleteObject", "UploadPart")
        return (changing if writes_there else asked)(self, operation, parameters)
    BaseClient._make_api_call = call
    os.replace, os.fsync = guarded(os.replace), guarded(os.fsync)
    act(action, argument)

# One process that has everything loaded, and a child of it for every attempt.
print("ready", file=answers, flush=True)
for line in sys.stdin:
    action, argument, stop_at = line.split()
    child = os.fork()
    if child == 0:
        try:
            attempt(action, argument, int(stop_at))
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
"""


class Attempts:
    """A process whose children do what is asked and end at a write."""

    def __init__(self, address: StoreAddress, temporary: Path) -> None:
        command = [sys.executable, "-c", CHILD, str(address), str(temporary)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ}
        )
        assert self._answer() == "ready"

    def killed(self, action: str, argument: str, stop_at: int) -> bool:
        """Whether the child was killed; else it got through."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{action} {argument} {stop_at}\n")
        self._process.stdin.flush()
        code = int(self._answer())
        assert code in (0, -signal.SIGKILL)
        return code != 0

    def close(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture
def attempts(address: StoreAddress, tmp_path: Path) -> Iterator[Attempts]:
    made = Attempts(address, tmp_path)
    yield made
    made.close()


def check_whole(address: StoreAddress, folder: Path, *expected: str | None) -> str | None:
    """What a service that starts now would serve: whole, and one of those expected."""
    live = fetch_home(folder, address)
    assert live in expected
    if live is not None:
        release = ReleaseStore(folder).load_live()
        golden = release.golden_set()
        assert release.release_id == live
        assert release.exact(golden.vectors, 10)[0] == golden.top_ids
    return live


@pytest.mark.slow
def test_killed_at_every_write(
    address: StoreAddress, origin: Origin, attempts: Attempts, tmp_path: Path
) -> None:
    one, two = origin.ids
    reader, kills = tmp_path / "reader", dict.fromkeys(("push", "fetch", "promote", "rollback"), 0)
    # Every write of the push, each going on where the one before ended: two files are alike.
    stop_at = 1
    while attempts.killed("push", str(origin.folder), stop_at):
        kills["push"] += 1
        check_whole(address, reader, None, one)
        # What the bucket has got is not written again: the next write is a new one.
        stop_at = 2
        assert kills["push"] < 200
    assert check_whole(address, reader, one) == one
    for stop_at in range(1, 99):
        mirror = tmp_path / f"mirror-{stop_at}"
        if not attempts.killed("fetch", str(mirror), stop_at):
            break
        kills["fetch"] += 1
        assert ReleaseStore(mirror).live() in (None, one)
        check_whole(address, mirror, one)
    for action, old, new in (("promote", one, two), ("rollback", two, one)):
        for stop_at in range(1, 99):
            with home_at(address, [old], searched=EXACT) as home:
                use_case.promote_release(home, old, index=EXACT)
            if not attempts.killed(action, two, stop_at):
                break
            kills[action] += 1
            if check_whole(address, reader, old, new) == old:
                assert not attempts.killed(action, two, 0)
            assert check_whole(address, reader, new) == new
    print(kills)
    assert kills["push"] > 20
    assert min(kills.values()) >= 3


class CutProxy:
    """Between a client and a server: cuts a connection after so many bytes of an answer or request.

    Args:
        server: Its URL.
    """

    def __init__(self, server: str) -> None:
        host, port = server.removeprefix("http://").split(":")
        self._server = host, int(port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.left: int | None = None
        self.cuts = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while block := source.recv(4096):
                with self._lock:
                    cut = self.left is not None and len(block) > self.left
                    kept = block[: self.left] if cut else block
                    if self.left is not None:
                        self.left -= len(kept)
                    self.cuts += cut
                target.sendall(kept)
                if cut:
                    break
        except OSError:
            pass
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_after(
    proxy: CutProxy, left: int, monkeypatch: pytest.MonkeyPatch, direct: str
) -> Iterator[None]:
    """Everything goes through the proxy, which lets so many bytes pass."""
    proxy.left = left
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
    try:
        yield
    finally:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", direct)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cut_at_any_byte(
    address: StoreAddress,
    origin: Origin,
    s3: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    # A cut connection is tried again at once: waiting would cost the test its time.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("colisten.store.bucket._CALM", _impatient())
    draws, (one, two) = random.Random(seed), origin.ids
    proxy, reader, mirror = CutProxy(s3), tmp_path / "reader", tmp_path / "mirror"
    size = sum(file.stat().st_size for file in origin.folder.rglob("*") if file.is_file())

    def promote() -> None:
        with home_at(address, [two], searched=EXACT) as home:
            use_case.promote_release(home, two, index=EXACT)

    def roll_back() -> None:
        with home_at(address) as home:
            use_case.roll_back(home, index=EXACT)

    failed = 0
    for action, allowed, most in (
        (lambda: push_home(origin.folder, address), (None, one), size),
        (lambda: fetch_home(mirror, address), (one,), size),
        (promote, (one, two), 60_000),
        (roll_back, (two, one), 30_000),
    ):
        for _ in range(6):
            with cut_after(proxy, draws.randrange(most), monkeypatch, s3):
                try:
                    action()
                except StoreError:
                    failed += 1
                else:
                    if action in (promote, roll_back):
                        break
            assert ReleaseStore(mirror).live() in (None, one)
            check_whole(address, reader, *allowed)
        else:
            action()
    proxy.close()
    print(seed, "failed", failed, "cuts", proxy.cuts)
    assert failed
    assert proxy.cuts


def _impatient() -> object:
    from botocore.config import Config

    return Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
