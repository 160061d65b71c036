"""An unknown word is refused by name of the nearest known one, whatever it is and wherever."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from colisten.errors import ConfigError, GraphError
from colisten.words import advice, known_word, nearest

KNOWN = ("max", "mean", "weighted")


@given(st.one_of(st.text(), st.none(), st.booleans(), st.integers(), st.floats(), st.binary()))
def test_what_is_not_known_is_refused_in_one_line(word: object) -> None:
    assume(word not in KNOWN)
    with pytest.raises(GraphError) as caught:
        known_word("Aggregation", word, KNOWN, GraphError)
    assert any(repr(each) in caught.value.do for each in KNOWN)
    assert len(str(caught.value).splitlines()) == 1
    assert nearest(word, KNOWN) in KNOWN


@given(st.sampled_from(KNOWN), st.integers(0, 8), st.characters(categories=["Ll"]))
def test_a_slip_of_one_letter_finds_the_word_that_was_meant(
    word: str, place: int, letter: str
) -> None:
    slip = word[:place] + letter + word[place:]
    assert nearest(slip, KNOWN) == word
    assert nearest(slip.upper(), KNOWN) == word
    assert advice(slip, KNOWN).startswith(f"The nearest known one is {word!r}")


def test_a_known_word_is_itself() -> None:
    assert known_word("Aggregation", "mean", KNOWN) == "mean"
    assert known_word("Relation", ("a", "b"), [("a", "b")]) == ("a", "b")
    with pytest.raises(ConfigError, match="None is known"):
        known_word("Relation", "x", [])
    with pytest.raises(ConfigError, match="True is unknown"):
        known_word("Number", True, [7, 1])
    with pytest.raises(ConfigError) as caught:
        known_word("Aggregation", np.eye(40), KNOWN)
    assert len(str(caught.value).splitlines()) == 1
