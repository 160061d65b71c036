"""A broken split is found, seldom cried, and traced to where it lies."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chisquare

from colisten.experiments.comparison import compare_arms
from colisten.experiments.reading import Comparison
from colisten.experiments.split import SPLIT_P_VALUE, split_p_values

HALVES = {"control": 0.5, "new": 0.5}
MILLION = 1_000_000
DAYS = [f"2025-06-{day:02}" for day in range(1, 15)]


def _found(share: float, experiments: int) -> float:
    """Share of experiments of a million users, planned in halves, that are called broken."""
    new = np.random.default_rng(4).binomial(MILLION, share, experiments)
    seen = np.stack([MILLION - new, new], axis=1)
    return float((split_p_values(seen, np.array([0.5, 0.5])) < SPLIT_P_VALUE).mean())


def test_what_a_million_users_show() -> None:
    assert _found(0.51, 200) == 1.0
    assert _found(0.5025, 10_000) >= 0.93
    assert _found(0.5, 1_000) <= 0.005


def test_p_values_are_those_of_scipy() -> None:
    shares = np.array([0.2, 0.3, 0.5])
    seen = np.random.default_rng(0).multinomial(900, shares, 50)
    expected = [chisquare(row, 900 * shares).pvalue for row in seen]
    assert split_p_values(seen, shares) == pytest.approx(expected, rel=1e-9)


def _users(count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "variant": rng.choice(["control", "new"], count).astype(object),
        "day": rng.choice(DAYS, count).astype(object),
        "surface": rng.choice(["home", "search"], count).astype(object),
        "country": rng.choice(["SE", "DE", "BR"], count).astype(object),
    }


def _read(users: dict[str, np.ndarray], keep: np.ndarray | None = None) -> Comparison:
    count = len(users["variant"])
    kept = np.ones(count, dtype=bool) if keep is None else keep
    table = {name: pa.array(values[kept], pa.string()) for name, values in users.items()}
    did = pa.array(np.random.default_rng(1).random(count)[kept] < 0.2).cast(pa.int64())
    ones = pa.array([1] * int(kept.sum()))
    rows = pa.table({**table, "variants": ones, "streams": did, "new_starts": did})
    return compare_arms(rows, control="control", shares=HALVES)


def _lost(users: dict[str, np.ndarray], where: np.ndarray, share: float) -> np.ndarray:
    """Users without a share of those of `new` in a place."""
    unlucky = np.random.default_rng(2).random(len(where)) < share
    return np.asarray(~((users["variant"] == "new") & where & unlucky))


def test_quiet_splits_are_sound_in_every_slice() -> None:
    readings = [_read(_users(4_000, seed)) for seed in range(100)]
    assert all(len(reading.slices) == len(DAYS) + 2 + 3 for reading in readings)
    assert sum(not reading.split_is_sound for reading in readings) <= 1
    assert readings[0].split_cause is None


@pytest.mark.parametrize(
    ("by", "value", "said"),
    [
        ("surface", "search", "It lies in the surface 'search' alone"),
        ("country", "BR", "It lies in the country 'BR' alone"),
        ("day", "2025-06-05", "It lies in users who came on 2025-06-05 alone"),
    ],
)
def test_one_broken_slice_is_named(by: str, value: str, said: str) -> None:
    users = _users(40_000, 3)
    reading = _read(users, _lost(users, users[by] == value, 0.5))
    assert not reading.split_is_sound
    assert {(one.by, one.value) for one in reading.broken_slices} >= {(by, value)}
    assert said in str(reading.split_cause)


def test_a_break_that_began_on_a_day_is_dated() -> None:
    users = _users(40_000, 3)
    reading = _read(users, _lost(users, users["day"] >= "2025-06-09", 0.5))
    assert "It began with users who came on 2025-06-09" in str(reading.split_cause)


def test_a_break_everywhere_names_the_arm() -> None:
    users = _users(40_000, 3)
    reading = _read(users, _lost(users, users["day"] > "", 0.2))
    assert "No day, country or surface stands out" in str(reading.split_cause)
    assert "%" in str(reading.split_cause)


def test_slices_that_cancel_out_are_a_mismatch() -> None:
    users = _users(40_000, 3)
    swapped = {"SE": 0.3, "DE": 0.7, "BR": 0.5}
    chance = np.array([swapped[country] for country in users["country"]])
    drawn = np.random.default_rng(5).random(len(chance)) < chance
    users["variant"] = np.where(drawn, "new", "control").astype(object)
    reading = _read(users)
    assert reading.split_p_value is not None
    assert reading.split_p_value > SPLIT_P_VALUE
    assert not reading.split_is_sound
    assert "as a whole, but not in the country" in reading.split_verdict
