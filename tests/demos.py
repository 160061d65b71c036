"""The command line of a demo."""

from __future__ import annotations

import sys
from pathlib import Path


def demo_command(folder: Path, *more: str) -> list[str]:
    """The command line of a demo that answers as a script wants it."""
    return [sys.executable, "-m", "colisten", "demo", "--out", str(folder), "--json", *more]
