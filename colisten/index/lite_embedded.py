"""Milvus Lite within this process: its users share one server, which ends with the last of them.

The library's own way from a folder to a server opens a port of the machine; this one listens where
`colisten.index.lite_socket` says.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colisten.errors import VectorIndexError
from colisten.extras import needs
from colisten.index.lite_socket import address_of, new_socket, remove_socket

_GRACE_SECONDS = 2.0


@dataclass
class _Held:
    server: Any
    database: Any
    socket: Path
    users: int = 1


_held: dict[Path, _Held] = {}
_lock = threading.Lock()


def hold(database: Path) -> str:
    """Open a folder in this process, for one more user; returns the address of its server.

    Raises:
        ConfigError: Milvus Lite is not installed; a server of Milvus is asked without it.
        VectorIndexError: Another process has the folder, or it is none of Milvus Lite's.
    """
    needs("milvus_lite")
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    with _lock:
        if database in _held:
            _held[database].users += 1
            return address_of(_held[database].socket)
        place = new_socket()
        try:
            # It joins what is called host and port by a colon.
            server, opened, _ = start_server_in_thread(str(database), "unix", place)
        except Exception as error:
            remove_socket(place)
            raise VectorIndexError(
                f"Milvus cannot be opened at {database}: {error}",
                "One process at a time can open an embedded index; `LiteServer` shares it.",
            ) from error
        _held[database] = _Held(server, opened, place)
        return address_of(place)


def let_go(database: Path) -> None:
    """One user less; the last one lets other processes in again."""
    with _lock:
        held = _held[database]
        held.users -= 1
        if held.users == 0:
            _end(_held.pop(database))


def _end(held: _Held) -> None:
    held.server.stop(grace=_GRACE_SECONDS).wait()
    held.database.close()
    remove_socket(held.socket)


def _end_all() -> None:
    while _held:
        _end(_held.popitem()[1])


atexit.register(_end_all)
