"""Two generations of parts, and a store with an index of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.index import ExactIndex
from colisten.release.store import ReleaseStore
from tests.conftest import CUT
from tests.release.payloads import Parts, make_parts


@pytest.fixture(scope="session")
def parts(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return make_parts(tmp_path_factory.mktemp("parts"), tiny_history, CUT)


@pytest.fixture(scope="session")
def payloads(
    parts: Parts, tiny_history: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Payloads of two generations."""
    folder = tmp_path_factory.mktemp("payloads")
    later = make_parts(folder / "parts", tiny_history, CUT, seed=1)
    return parts.payload(folder / "one"), later.payload(folder / "two")


@pytest.fixture
def index(tmp_path: Path) -> ExactIndex:
    return ExactIndex(tmp_path / "index" / "exact")


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(tmp_path)
