"""One planted run, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.config import Settings
from colisten.explanation.material import Material
from colisten.explanation.report import Explanation, explain
from tests.explanation.home import Plant, write_home


@pytest.fixture(scope="session")
def home(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_home(tmp_path_factory.mktemp("explained"), tiny_source, Plant())


@pytest.fixture(scope="session")
def material(home: Path) -> Material:
    return Material.read(home, sample=2000, seed=0, settings=Settings())


@pytest.fixture(scope="session")
def explanation(material: Material) -> Explanation:
    return explain(material, seed=0)
