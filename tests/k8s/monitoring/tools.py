"""Prometheus's own tools, where they are installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def tool(name: str, package: str) -> str:
    """Where a program is; skips where it is not installed.

    Args:
        name: promtool, prometheus or amtool.
        package: Debian's, which brings it.
    """
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (apt-get install {package})")
    return found


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run promtool in a folder."""
    return _run(tool("promtool", "prometheus"), *arguments, folder=folder)


def amtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run amtool in a folder."""
    return _run(tool("amtool", "prometheus-alertmanager"), *arguments, folder=folder)


def _run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
