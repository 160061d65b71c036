"""Explanations of the planted run stand on pages too."""

from __future__ import annotations

from tests.explain.conftest import explanation, home, inputs

__all__ = ["explanation", "home", "inputs"]
