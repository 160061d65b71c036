"""Where Milvus Lite listens: at a socket in a folder that no other user of the machine enters.

It asks nobody who they are. At a port of the machine every user of it could read an index and
delete it; the folder of a socket is its owner's alone, whatever their umask.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

_NAME = "socket"
# What the kernel takes of a socket's path, and less than that.
_LONGEST = 100


def new_socket() -> Path:
    """The path of a socket to be, in a new private folder."""
    folder = Path(tempfile.mkdtemp(prefix="colisten-index-"))
    if len(os.fsencode(folder / _NAME)) > _LONGEST:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="colisten-index-", dir="/tmp"))
    return folder / _NAME


def address_of(place: Path) -> str:
    """The socket as clients of gRPC name it."""
    return f"unix:{place}"


def called(place: Path, seconds: float) -> socket.socket:
    """A connection to whoever listens there.

    Raises:
        OSError: Nobody does, or not in so many seconds.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        connection.connect(str(place))
    except OSError:
        connection.close()
        raise
    return connection


def listens(place: Path) -> bool:
    """Whether somebody listens there."""
    try:
        called(place, 1.0).close()
    except OSError:
        return False
    return True


def remove_socket(place: Path) -> None:
    """Remove a socket with its folder."""
    shutil.rmtree(place.parent, ignore_errors=True)
