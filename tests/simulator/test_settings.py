"""World settings are documented and refuse what makes no world."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from colisten.simulator import WorldSettings
from colisten.simulator.settings import COUNTRIES

DOC = Path(__file__).parents[2] / "docs" / "world.md"


def test_every_setting_is_documented() -> None:
    text = DOC.read_text()
    for name, field in WorldSettings.model_fields.items():
        assert f"| {name} | " in text, name
        assert field.description, name
        assert f" | {field.description} |" in text, name


def test_the_suggested_cut_holds_out_the_last_days() -> None:
    settings = WorldSettings(days=104, end=date(2025, 6, 30))
    assert (settings.cut, settings.window_days) == (date(2025, 6, 16), 14)
    long = WorldSettings(days=28, holdout_days=90)
    assert long.window_days == 14


@pytest.mark.parametrize(
    "change",
    [
        {"users": 3},
        {"days": 10},
        {"languages": ()},
        {"languages": ("xx",)},
        {"user": 5},
        {"countries": (COUNTRIES[0], COUNTRIES[0])},
        {"end": date(1, 1, 1)},
        {"end": date(9999, 12, 31)},
        {"days": 10**12},
    ],
)
def test_impossible_worlds_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WorldSettings.model_validate(change)
