"""A rule and the UI mean the same figure by the same path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.monitoring.figures import flat, found

REPORT: dict[str, Any] = {
    "verdict": "moved",
    "drifted": ["age", "country"],
    "causes": [{"cause": "nulls", "of": ["age"]}, {"cause": "taste", "of": []}],
    "columns": {"age": 0.5, "a.b": 0.25, "a": {"b": 9}},
    "lifts": [
        {"arm": "new", "rate": "start", "lift": {"value": 0.1}, "p_value": None},
        {"arm": "new", "rate": "new start", "lift": None, "p_value": 0.03},
    ],
    "split_is_sound": True,
    "nothing": [],
}


@pytest.mark.parametrize(
    ("path", "figures"),
    [
        ("verdict", ["moved"]),
        ("drifted", [2.0]),
        ("split_is_sound", [True]),
        ("columns.age", [0.5]),
        ("columns.a.b", [0.25]),
        ("columns.a", [1.0]),
        ("causes.*.cause", ["nulls", "taste"]),
        ("lifts.new start.lift.value", [0.1]),
        ("lifts.new new start.p_value", [0.03]),
        ("lifts.*.p_value", [None, 0.03]),
        ("lifts.*.lift.value", [0.1]),
        ("nothing.*.cause", []),
        ("nothing", [0.0]),
        ("columns.weight", None),
        ("verdict.*", None),
        ("lifts.*.power", None),
        ("", None),
    ],
)
def test_a_path_leads_to_what_is_there(path: str, figures: list[Any] | None) -> None:
    assert found(REPORT, path) == figures


NAMES = st.text(alphabet="ab_ <*1", min_size=1, max_size=4).filter(lambda name: name != "*")
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        st.floats(allow_nan=False) | st.booleans(),
        lambda below: st.dictionaries(NAMES, below, max_size=3) | st.lists(below, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(TREES)
def test_every_number_is_found_by_the_path_that_it_is_listed_under(tree: dict[str, Any]) -> None:
    for path, value in flat(tree).items():
        assert found(tree, ".".join(path)) == [value]
