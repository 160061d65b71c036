"""Queries that end when their process is asked to.

DuckDB asks between pieces of its work whether a signal has come, but its other threads go on with
theirs, and the connection waits for them, for minutes. Connections are opened through here, so
that whoever handles the signal can break them off.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_connections: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()


def interruptible(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The connection, whose queries `interrupt_queries` breaks off from now on."""
    _connections.add(connection)
    return connection


def interrupt_queries() -> None:
    """Break off what runs on any connection of this process; fit for a signal handler."""
    for connection in tuple(_connections):
        with contextlib.suppress(Exception):  # it was closed
            connection.interrupt()


def close_own_connection() -> None:
    """Let go of the connection that ibis opened for itself, if it did.

    It holds memory, and beside torch DuckDB's binding finds it at the end of the process and
    complains of a leak.
    """
    if ibis := sys.modules.get("ibis"):
        ibis.options.default_backend = None
