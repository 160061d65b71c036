"""One small and one default world, each written once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from colisten.simulator import Truth, WorldReport, WorldSettings, simulate

SMALL = WorldSettings(users=700, audiobooks=120, podcasts=200, days=90, chunk_users=250, seed=3)


@dataclass(frozen=True)
class World:
    """A written world."""

    folder: Path
    settings: WorldSettings
    report: WorldReport

    def table(self, name: str) -> pd.DataFrame:
        return pq.read_table(self.folder / f"{name}.parquet").to_pandas()

    @property
    def truth(self) -> Truth:
        return Truth.read(self.folder / "truth")


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "small"
    return World(folder, SMALL, simulate(folder, SMALL))


@pytest.fixture(scope="session")
def default_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("worlds") / "default"
    settings = WorldSettings()
    return World(folder, settings, simulate(folder, settings))
