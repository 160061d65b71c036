"""What an id may be: one answer from the function, the SQL of the tables and the index."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.ids import MAX_ID_BYTES, id_fault, is_too_long
from colisten.data.sql import WHITE_SPACE, is_blank
from colisten.errors import VectorIndexError
from colisten.index import ExactIndex

TEXTS = st.one_of(
    st.text(),
    st.text(st.sampled_from(WHITE_SPACE + "\0!a"), max_size=4),
    st.builds(
        lambda letter, count: letter * count,
        st.sampled_from("x\u00e5\u20ac\U0001f600\0"),
        st.integers(MAX_ID_BYTES // 4 - 1, MAX_ID_BYTES // 4 + 1)
        | st.integers(MAX_ID_BYTES - 1, MAX_ID_BYTES + 1),
    ),
)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@settings(max_examples=300, deadline=None)
@given(text=TEXTS)
def test_the_tables_and_the_index_refuse_what_is_no_id_and_nothing_else(
    duck: duckdb.DuckDBPyConnection, text: str
) -> None:
    refused = id_fault(text) is not None
    found = duck.execute(
        f"SELECT ({is_blank('id')}) OR ({is_too_long('id')}) FROM (SELECT ?::VARCHAR AS id)",
        [text],
    ).fetchone()
    assert found == (refused,)
    try:
        ExactIndex().create("c", [text], np.ones((1, 1), np.float32))
    except VectorIndexError:
        assert refused
    else:
        assert not refused


def test_every_character_is_blank_to_sql_and_python_alike() -> None:
    codes = [code for code in range(1, 0x11000) if not 0xD800 <= code < 0xE000]
    texts = [chr(code) for code in codes] + [f" {chr(code)}" for code in codes]
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT text FROM (SELECT unnest(?::VARCHAR[]) AS text) WHERE {is_blank('text')}",
            [texts],
        ).fetchall()
    assert {text for (text,) in found} == {text for text in texts if not text.strip(WHITE_SPACE)}


@pytest.mark.parametrize("text", ["x" * 5000, "\U0001f600" * 5000, "x" * MAX_ID_BYTES, "\0", "a\n"])
def test_long_and_odd_texts_are_ids(text: str) -> None:
    assert id_fault(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty or white space"),
        (" \ufeff\u200b", "is empty or white space"),
        ("\ud800", "is not valid Unicode"),
        ("\U0001f600" * 16_384, "is 65,536 bytes long in UTF-8; an id has at most 65,535"),
    ],
)
def test_why_a_text_is_no_id(text: str, words: str) -> None:
    assert id_fault(text) == words
