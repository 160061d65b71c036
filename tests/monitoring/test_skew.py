"""Serving's features beside training's, and a release beside the one before it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from colisten.monitoring.release_change import Shown, change_checks, release_change
from colisten.monitoring.skew import skew_shares


def test_skew_is_the_share_of_users_who_differ_by_feature() -> None:
    offline = pd.DataFrame(
        {
            "user_id": ["a", "b", "c", "d"],
            "age": [20.0, np.nan, 40.0, 50.0],
            "country": ["SE", None, "DE", "DE"],
            "offline alone": 1.0,
        }
    )
    served = offline.drop(columns="offline alone").iloc[::-1].reset_index(drop=True)
    assert skew_shares(served, offline) == {"age": 0, "country": 0}
    served.loc[served["user_id"] == "b", "age"] = 30.0
    served.loc[served["user_id"] == "b", "country"] = "SE"
    served.loc[served["user_id"] == "c", "age"] *= 1.1
    assert skew_shares(served, offline) == {"age": 0.5, "country": 0.25}
    assert skew_shares(served.iloc[:0], offline) == {}


def shown(items: list[list[str]], catalogue: list[str], seed: int = 0) -> Shown:
    vectors = np.random.default_rng(seed).normal(size=(len(items), 4))
    places = np.array(items, dtype=object)
    return Shown(places, np.ones(places.shape), vectors, catalogue)


CATALOGUE = [f"i{at}" for at in range(20)]
SPREAD = [[f"i{(user + at) % 20}" for at in range(5)] for user in range(40)]


def moved(before: Shown, now: Shown) -> set[str]:
    figures = release_change(before, now)
    return {one.of for one in change_checks([], figures, len(now.items), 10) if one.moved}


def test_a_release_that_shows_the_same_has_not_moved() -> None:
    one = shown(SPREAD, CATALOGUE)
    figures = release_change(one, one)
    assert figures["overlap"] == figures["coverage"] == 1
    assert figures["gini"] == figures["new_items"] == 0
    assert figures["geometry"] == pytest.approx(1)
    assert moved(one, one) == set()
    few = change_checks([], figures, 9, 10)
    assert {each.judged for each in few} == {"not"}
    assert list(change_checks([], {}, 100, 10)) == []


def test_lists_that_collapse_or_change_altogether_are_named() -> None:
    before = shown(SPREAD, CATALOGUE)
    same = shown([[f"i{at}" for at in range(5)]] * 40, CATALOGUE)
    assert moved(before, same) == {"coverage", "gini"}
    fresh = [f"n{at}" for at in range(20)]
    other = shown([[item.replace("i", "n") for item in each] for each in SPREAD], fresh)
    assert moved(before, other) == {"overlap", "new_items"}
    flat = Shown(before.items, before.scores, np.ones((40, 4)), CATALOGUE)
    assert moved(before, flat) == {"spread"}


def test_a_turned_space_is_the_same_geometry() -> None:
    before = shown(SPREAD, CATALOGUE)
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))
    turned = Shown(before.items, before.scores, before.vectors @ turn, CATALOGUE)
    assert release_change(before, turned)["geometry"] == pytest.approx(1)
    drawn = shown(SPREAD, CATALOGUE, seed=9)
    assert release_change(before, drawn)["geometry"] < 0.6
