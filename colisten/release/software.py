"""Which software made a release; it stands in the journal, so that it changes no id."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

# What decides the numbers.
_PACKAGES = ("colisten", "torch", "torch-geometric", "numpy", "pyarrow", "duckdb", "onnxruntime")


def software() -> dict[str, str]:
    """Versions of Python and of the packages that decide figures, of those that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
