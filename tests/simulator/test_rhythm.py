"""The two clocks agree with each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.simulator.items import DAY
from colisten.simulator.rhythm import Rhythm
from colisten.simulator.settings import WorldSettings

SETTINGS = WorldSettings(days=35)


@pytest.mark.parametrize("item_type", ["audiobook", "music", "podcast"])
@given(day=st.floats(0.6, 34.4), offset=st.integers(-12, 12))
def test_there_and_back(item_type: str, day: float, offset: int) -> None:
    rhythm = Rhythm.of(item_type, SETTINGS)
    zone = np.array([offset])
    moment = rhythm.to_world(np.array([day]), zone)
    assert rhythm.to_even(moment, zone) == pytest.approx(day, abs=1e-6)


@pytest.mark.parametrize("item_type", ["audiobook", "music", "podcast"])
def test_time_runs_forward_over_the_whole_window(item_type: str) -> None:
    rhythm = Rhythm.of(item_type, SETTINGS)
    moments = rhythm.to_world(np.linspace(0, 35, 1_000), np.zeros(1_000, np.int64))
    assert (np.diff(moments) > 0).all()
    assert moments[0] == int(SETTINGS.start_moment.timestamp()) * 1_000_000
    assert moments[-1] - moments[0] == 35 * DAY
