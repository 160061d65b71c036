from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.shown import plain, plain_json, plain_lines
from tests.hostile import VALUES

ANY = st.text(st.characters(codec=None)) | st.sampled_from(VALUES)
OBEYED = {"Cc", "Cs", "Zl", "Zp"}
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def harmless(text: str) -> bool:
    return not any(
        unicodedata.category(sign) in OBEYED or unicodedata.bidirectional(sign) in TURNS
        for sign in text
    )


@given(ANY)
def test_nothing_is_left_that_a_terminal_or_a_line_of_a_log_obeys(value: str) -> None:
    assert harmless(plain(value))
    assert harmless(plain_lines(value).replace("\n", ""))
    assert plain_lines(value).count("\n") == value.count("\n")
    plain(value).encode()


@given(st.dictionaries(ANY, ANY))
def test_json_on_a_terminal_is_the_same_value(value: dict[str, str]) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    assert json.loads(plain_json(text)) == value
    assert harmless(plain_json(text).replace("\n", ""))


@given(ANY)
def test_harmless_text_stays_and_nothing_changes_twice(value: str) -> None:
    if harmless(value):
        assert plain(value) == plain_lines(value) == value
    assert plain(plain(value)) == plain(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\r\n\tb", "a b"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b", "\\x9b"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("שלום Ölgötze 日本 👩‍👧", "שלום Ölgötze 日本 👩‍👧"),
        (7, "7"),
    ],
)
def test_what_is_shown(value: object, said: str) -> None:
    assert plain(value) == said
