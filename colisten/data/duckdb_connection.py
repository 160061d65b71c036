"""The one place that opens DuckDB: nothing is fetched, and no query loads code.

DuckDB installs and loads an extension by itself where a query could use one, from the network and
from the user's home. What we ask needs none beyond those that its wheel is built with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from colisten.interrupts import interruptible
from colisten.limits import within_memory
from colisten.threads import cores

_NO_EXTENSIONS = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}


def connect(file: Path | None = None, **config: Any) -> duckdb.DuckDBPyConnection:
    """A connection that ends when its process is asked to.

    Args:
        file: Of the database; None keeps it in memory.
        config: Further settings of DuckDB.

    Raises:
        duckdb.Error: It refuses a setting, or the file.
    """
    database = ":memory:" if file is None else str(file)
    config = {**_fitting(config), **_NO_EXTENSIONS}
    return interruptible(duckdb.connect(database, config=config))


def ibis_backend(**config: Any) -> Any:
    """An Ibis backend of its own, in memory, with these further settings of DuckDB."""
    import ibis  # not every table that is read needs it, and it takes half a second

    return ibis.duckdb.connect(**_fitting(config), **_NO_EXTENSIONS)


def default_ibis_backend() -> Any:
    """The backend that Ibis, and so Feast, takes where nobody names one."""
    import ibis

    backend = ibis.get_backend()
    for name in _NO_EXTENSIONS:
        backend.raw_sql(f"SET {name} = false")
    return backend


def _fitting(config: dict[str, Any]) -> dict[str, Any]:
    """The same settings, with no more memory and threads than the container has."""
    fitting = dict(config)
    if "memory_limit" in config:
        fitting["memory_limit"] = within_memory(config["memory_limit"])
    if "threads" in config:
        fitting["threads"] = min(config["threads"], cores())
    return fitting
