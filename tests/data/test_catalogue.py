from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from colisten.data.catalogue import Catalogue
from colisten.data.interactions import read_interactions
from colisten.errors import TableError
from tests.conftest import CUT


def test_indices_follow_type_and_id(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    assert catalogue.slice_of("audiobook") == slice(0, 40)
    assert catalogue.slice_of("podcast") == slice(40, 100)
    assert catalogue.index_of(["a000", "p059", "nobody"]).tolist() == [0, 99, -1]
    assert np.all(catalogue.item_types[40:] == "podcast")


def test_reading_stops_before_as_of(tiny_history: Path) -> None:
    everything = read_interactions(tiny_history, as_of=CUT)
    moment = everything.column("timestamp")[500].as_py()
    seen = read_interactions(tiny_history, as_of=moment)
    assert 0 < seen.num_rows <= 500
    assert max(seen.column("timestamp").to_pylist()) < moment


def test_a_moment_without_zone_is_refused(tiny_history: Path) -> None:
    with pytest.raises(TableError, match="time zone"):
        read_interactions(tiny_history, as_of=datetime(2025, 1, 1))
