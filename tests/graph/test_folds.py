from __future__ import annotations

import numpy as np
import pytest

from colisten.errors import GraphError
from colisten.graph.folds import fold_of


def test_folds_never_change() -> None:
    """The numbers are part of every published release: they must not move between versions."""
    users = ["u0000", "u0001", "u0002", "ångström", ""]
    assert fold_of(users, 5).tolist() == [1, 4, 2, 0, 1]


def test_folds_do_not_depend_on_order_or_container() -> None:
    users = np.array([f"user-{number}" for number in range(500)], dtype=object)
    folds = fold_of(users, 7)
    order = np.random.default_rng(0).permutation(len(users))
    assert (fold_of(users[order], 7) == folds[order]).all()
    assert (fold_of(list(users), 7) == folds).all()
    assert folds.dtype == np.int64


def test_folds_are_about_equal() -> None:
    counts = np.bincount(fold_of([f"user-{n}" for n in range(10_000)], 5), minlength=5)
    # Chi-square with 4 degrees of freedom stays under 18.5 in 999 of 1000 fair draws.
    assert ((counts - 2000) ** 2 / 2000).sum() < 18.5


def test_no_users_and_bad_calls() -> None:
    assert fold_of([], 5).shape == (0,)
    with pytest.raises(GraphError, match="at least 1"):
        fold_of(["u"], 0)
    with pytest.raises(GraphError, match="null"):
        fold_of(np.array(["u", None], dtype=object), 2)
