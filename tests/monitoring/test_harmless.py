"""Nothing that a table may hold means anything where Evidently draws it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from colisten.json_files import to_json
from colisten.monitoring.harmless import LONGEST, harmless, harmless_names, harmless_tree
from tests.hostile import CONTROLS, SCRIPTS, VALUES

TEXTS = st.text(max_size=60) | st.sampled_from([*SCRIPTS, *CONTROLS])
TREES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | TEXTS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=12,
)
# What begins markup, an entity, a script's end, a link, code or an escape, in any of the three.
MEANS = re.compile(r"[<>&\"'`\\\[\]{}|*#$@/~^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


@given(TEXTS)
def test_no_sign_of_a_harmless_text_means_anything(text: str) -> None:
    shown = harmless(text)
    assert not MEANS.search(shown)
    assert len(shown) <= LONGEST
    assert harmless(shown) == shown


def test_every_hostile_value_is_harmless_and_can_still_be_read() -> None:
    for value in VALUES:
        assert not MEANS.search(harmless(value))
    assert (
        harmless("<b>age</b> of 'users'")
        == "\u2039b\u203aage\u2039\u2215b\u203a of \u2019users\u2019"
    )


@given(st.lists(TEXTS, max_size=8))
def test_names_that_differ_stay_apart(names: list[str]) -> None:
    made = harmless_names(names)
    assert set(made) == set(names)
    assert len(set(made.values())) == len(made)
    assert not any(MEANS.search(name) for name in made.values())


@given(st.text(alphabet="abc xyz-_.,:0189\u00e5\u4e16", min_size=1).filter(str.strip))
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert harmless(name) == " ".join(name.split("\t"))


@given(TREES)
def test_a_tree_has_no_text_that_is_not_harmless(tree: object) -> None:
    # Of JSON itself quotes, brackets, braces and escapes of quotes are signs.
    text = to_json(harmless_tree(tree))
    assert not re.search(r"[<>&'`\\|*#$@/~^]", text)
