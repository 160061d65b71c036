"""The service that `colisten demo` asks: started on a port, waited for, ended with the block."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colisten.child import supervised
from colisten.errors import PipelineError
from colisten.json_files import parse_json, to_json

_READY_SECONDS = 90


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def service(home: Path, port: int) -> Iterator[subprocess.Popen[Any]]:
    """The real service of a run's folder, ready to answer; it ends with the block.

    Raises:
        PipelineError: It did not get ready.
    """
    command = [sys.executable, "-m", "colisten", "serve", "--out", str(home), "--port", str(port)]
    file = home / "service.log"
    with (
        file.open("w") as log,
        supervised(command, stdout=log, stderr=log) as process,
    ):
        _wait(process, f"http://127.0.0.1:{port}/readyz", file)
        yield process


def ask(port: int, user: str, k: int) -> dict[str, Any]:
    """The shelf that the service answers for a user."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/recommend",
        data=to_json({"user_id": user, "k": k}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310, our own address
        shelf: dict[str, Any] = parse_json(answer.read())
    return shelf


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310, our own address
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    raise PipelineError("The service did not get ready.", f"Its log is {log}.")
