"""What an id may be, the same at every door: tables, service, shell and index.

Any Unicode text that is not blank, taken as it is: nothing is trimmed, folded or normalised, so
`a1`, `A1`, ` a1` and the two spellings of `ö` are different ids. Line breaks, quotes, NUL and
other control characters are allowed: the feature store, exact search, Milvus, parquet and JSON
carry them (tests/data/test_ids.py). What bounds an id is its length in bytes.
"""

from __future__ import annotations

from colisten.data.sql import WHITE_SPACE

MAX_ID_BYTES = 65_535
"""Bytes of an id in UTF-8: the longest text that a Milvus VARCHAR holds, the strictest of the
stores that ids go through."""


def id_fault(value: str) -> str | None:
    """Why a text is no id, completing a sentence that begins with it; None where it is one."""
    if not value.strip(WHITE_SPACE):
        return "is empty or white space"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size > MAX_ID_BYTES:
        return f"is {size:,} bytes long in UTF-8; an id has at most {MAX_ID_BYTES:,}"
    return None


def is_too_long(column: str, limit: int = MAX_ID_BYTES) -> str:
    """SQL: the text is longer than `limit` bytes of UTF-8."""
    return f"strlen({column}) > {limit}"
