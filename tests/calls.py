"""Whom processes of ours call: every name looked up and every address connected to, as noted."""

from __future__ import annotations

import ast
import os
from ipaddress import ip_address
from pathlib import Path

RECORDER = Path(__file__).parent / "recorder"
ROOT = RECORDER.parents[1]


def recording(file: Path) -> dict[str, str]:
    """Variables with which Python notes in `file` whom it calls, and so do its children.

    What native code calls by itself is not seen: name servers that gRPC asks, for one.
    """
    path = os.pathsep.join([str(RECORDER), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {"PYTHONPATH": path, "RECORDED_CALLS": str(file)}


def calls_beyond(file: Path) -> list[str]:
    """What was noted there and goes beyond this machine."""
    return [line for line in file.read_text().splitlines() if not _stays(line)]


def _stays(line: str) -> bool:
    asked = ast.literal_eval(line.split(" ", 2)[2])
    if isinstance(asked, tuple):  # an address of the network, with its port
        asked = asked[0]
    elif line.startswith(("socket.connect", "socket.sendto")):
        return True  # a socket of this machine, by its path
    name = asked.decode() if isinstance(asked, bytes) else asked
    try:
        return name is None or ip_address(name).is_loopback or ip_address(name).is_unspecified
    except ValueError:
        return name in ("", "localhost")
