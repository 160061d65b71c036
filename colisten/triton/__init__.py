"""The user tower in a Triton server: its repository, its calls, and who holds which model."""

from __future__ import annotations

from importlib import resources


def tower_source() -> str:
    """`tower_model.py` as text: it runs in Triton's process and is never imported in ours."""
    return (resources.files(__name__) / "tower_model.py").read_text()
