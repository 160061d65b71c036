"""One planted run, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.explain.explanation import Explanation, explain
from colisten.explain.inputs import ExplanationInputs
from tests.explain.home import Plant, inputs_of, write_home


@pytest.fixture(scope="session")
def home(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_home(tmp_path_factory.mktemp("explained"), tiny_source, Plant())


@pytest.fixture(scope="session")
def inputs(home: Path) -> ExplanationInputs:
    return inputs_of(home)


@pytest.fixture(scope="session")
def explanation(inputs: ExplanationInputs) -> Explanation:
    return explain(inputs, seed=0)
