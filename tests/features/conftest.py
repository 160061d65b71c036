"""A feature repository of the tiny tables: applied once, for applying takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from feast import FeatureStore

from colisten.data.catalogue import Catalogue
from colisten.feature_repo.repo import build_feature_repo, materialize
from colisten.features.store import open_store
from tests.conftest import CUT
from tests.redis_server import redis_server


@pytest.fixture(scope="session")
def feature_folder(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of `tiny_history` at CUT, its SQLite online store filled."""
    folder = build_feature_repo(tiny_history, tmp_path_factory.mktemp("features"), as_of=CUT)
    materialize(folder, as_of=CUT)
    return folder


@pytest.fixture(scope="session")
def store(feature_folder: Path) -> FeatureStore:
    """The repository, open."""
    return open_store(feature_folder)


@pytest.fixture(scope="session")
def catalogue(tiny_history: Path) -> Catalogue:
    """The tiny catalogue."""
    return Catalogue.read(tiny_history)


@pytest.fixture
def redis_address(tmp_path: Path) -> Iterator[str]:
    """A Redis of its own; skips where none is installed."""
    with redis_server(tmp_path) as address:
        yield address
