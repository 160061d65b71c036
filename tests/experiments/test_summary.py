"""An experiment's first paragraph: what it is of, and a verdict that agrees with the figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from colisten.experiments.comparison import compare_arms
from colisten.experiments.log_rows import LogRows
from colisten.json_files import to_json
from tests.experiments.test_comparison import table
from tests.hostile import VALUES

SHARES = {"popularity": 0.5, "2t": 0.5}
ROWS = LogRows(
    *("audiobook", 72.0, 9, 0, 0, 0, 0, 9, 0, 0, 0, 0),
    first_shown="2025-06-16 00:00 UTC",
    last_row="2025-06-30 00:00 UTC",
    releases=("r1", "r2"),
)


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ({"popularity": 0.1, "2t": 0.2}, "higher"),
        ({"popularity": 0.2, "2t": 0.1}, "lower"),
        ({"popularity": 0.1, "2t": 0.1}, "not separable"),
        ({"popularity": 0.0, "2t": 0.1}, "no lift that is defined"),
    ],
)
def test_name_dates_releases_window_and_verdict(rates: dict[str, float], said: str) -> None:
    read = compare_arms(table(rates, 2_000), control="popularity", shares=SHARES)
    summary = replace(read, rows=ROWS).summary
    for part in ("Experiment", "2025-06-16", "2025-06-30", "releases r1, r2", "72 hours", said):
        assert part in summary
    assert summary in to_json(replace(read, rows=ROWS).to_dict())


def test_a_broken_split_is_the_verdict() -> None:
    few = table({"popularity": 0.1, "2t": 0.2}, 2_000)
    read = compare_arms(few, control="popularity", shares={"popularity": 0.8, "2t": 0.2})
    assert "Not to be trusted: Sample ratio mismatch" in read.summary
    assert "higher" not in read.summary


@pytest.mark.parametrize("value", VALUES)
def test_hostile_arms_are_one_line(value: str) -> None:
    rates = {"popularity": 0.1, value[:200]: 0.2}
    read = compare_arms(table(rates, 400), control="popularity", shares=dict.fromkeys(rates, 0.5))
    assert "\n" not in read.summary
