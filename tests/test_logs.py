"""Logs tell what happens, and never stop it."""

from __future__ import annotations

import io
import os

import pytest

from colisten.logs import configure_logs, logger


class _Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(27, "File too large")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_fails_nobody_who_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logs()
    try:
        monkeypatch.setattr("sys.stderr", _Full())
        logger("test").warning("part_ill", why=OSError("full"))
        closed = os.fdopen(os.dup(2), "w")
        closed.close()
        monkeypatch.setattr("sys.stderr", closed)
        logger("test").warning("part_ill")
        caught = io.StringIO()
        monkeypatch.setattr("sys.stderr", caught)
        logger("test").warning("part_well")
        assert "part_well" in caught.getvalue()
    finally:
        monkeypatch.undo()
        configure_logs()
