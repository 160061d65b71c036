"""Milvus Lite as a server of this user's, so that several processes share one embedded index.

Milvus Lite's database folder belongs to one process at a time. Publishing, promoting and serving
are several, so one child process holds the folder and the others talk to it, at a socket that no
other user reaches (`colisten.index.lite_socket`). It ends with the process that started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from colisten.child import lives
from colisten.errors import VectorIndexError
from colisten.files import located
from colisten.index.lite_socket import address_of, called, listens, new_socket, remove_socket
from colisten.json_files import read_mapping, write_json
from colisten.logs import logger

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1
# What a client of gRPC says first, and an empty frame of settings: a server answers with its own.
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"

log = logger("index")


def database_of(root: Path) -> Path:
    """Milvus Lite's folder in an output folder: one name, by whatever path one comes to it."""
    return located(root) / "index" / "milvus.db"


def endpoint_of(root: Path) -> Path:
    """The file that names the running server of an output folder."""
    return located(root) / "index" / "endpoint.json"


def live_endpoint(root: Path) -> str | None:
    """Address of the server that holds `root`'s index now; None where none runs.

    A file that a killed server left behind is not believed: the process must live, be ours and
    listen.
    """
    pid, place = _told(root)
    if pid is None or not _serves(pid, database_of(root)) or not listens(place):
        return None
    return address_of(place)


class LiteServer:
    """Milvus Lite of one output folder, shared by processes while the block lasts.

    Where a server of that folder already runs, it is used and left running.

    Args:
        root: Output folder; data lie in root/index/milvus.db.

    Example:
        with LiteServer(out) as server:
            index = open_index(out, settings.index)  # here and in any other process

    Raises:
        VectorIndexError: The server does not start, most likely because another process has the
            index open without a server.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = Path()
        self.uri = ""

    def __enter__(self) -> Self:
        running = live_endpoint(self._root)
        if running is not None:
            self.uri = running
            return self
        self._socket = new_socket()
        self._process = self._spawn()
        if self._wait():
            self.uri = address_of(self._socket)
            told = {"pid": self._process.pid, "socket": str(self._socket)}
            write_json(endpoint_of(self._root), told)
            log.info("index server started", uri=self.uri, pid=self._process.pid)
            return self
        self._stop()
        raise VectorIndexError(
            f"Milvus Lite does not start on {database_of(self._root)}: {self._last_line()}",
            f"Another process may have it open; see {self._log}.",
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            # Where ours died, another process may have started one meanwhile.
            if _told(self._root)[0] == self._process.pid:
                endpoint_of(self._root).unlink(missing_ok=True)
            self._stop()

    @property
    def pid(self) -> int | None:
        """The server's process; None where it was running before this block."""
        return None if self._process is None else self._process.pid

    @property
    def runs(self) -> bool:
        """Whether a server holds the folder, be it of this block or of another process."""
        if self._process is not None:
            return self._process.poll() is None
        return live_endpoint(self._root) is not None

    def answers(self, seconds: float) -> bool:
        """Whether the server of this block talks at all; one that is stopped or stuck does not.

        A server of another process is not for us to judge, and counts as one that does.
        """
        if self._process is None:
            return True
        try:
            with called(self._socket, seconds) as probe:
                probe.sendall(_HTTP2_GREETING)
                return bool(probe.recv(1))
        except OSError:
            return False

    @property
    def _log(self) -> Path:
        return database_of(self._root).with_name("server.log")

    def _spawn(self) -> subprocess.Popen[bytes]:
        database = database_of(self._root)
        database.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "colisten.index.lite_process"]
        command += [str(database), str(self._socket), str(os.getpid())]
        with self._log.open("wb") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def _wait(self) -> bool:
        assert self._process is not None
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            # It is there only once the database is open.
            if listens(self._socket):
                return self._process.poll() is None
            time.sleep(_POLL_SECONDS)
        return False

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        remove_socket(self._socket)

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


def _told(root: Path) -> tuple[int | None, Path]:
    """Process and socket that the endpoint's file names; no process where it names none."""
    try:
        endpoint = read_mapping(endpoint_of(root))
        return int(endpoint["pid"]), Path(endpoint["socket"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None, Path()


def _serves(pid: int, database: Path) -> bool:
    """Whether process `pid` is the server of `database`."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc").is_dir() and lives(pid)
    return os.fsencode(database) in arguments
