"""One planted home, and a copy of it for each who forgets in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.privacy.home import PlantedHome, plant


@pytest.fixture(scope="session")
def planted(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> PlantedHome:
    return plant(tiny_history, tmp_path_factory.mktemp("planted"))


@pytest.fixture
def home(planted: PlantedHome, tmp_path: Path) -> PlantedHome:
    """The planted home, moved to another path."""
    out = shutil.copytree(planted.out, tmp_path / "it's [a] %home?")
    return PlantedHome(out, planted.tables, planted.live, planted.previous)
