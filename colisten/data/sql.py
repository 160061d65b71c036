"""Values and predicates as DuckDB SQL: one wording for the checks, the report and the writers."""

from __future__ import annotations

from collections.abc import Iterable

WHITE_SPACE = (
    " \t\n\r\v\f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""Characters that are trimmed from text; a text of nothing else is blank."""


def sql_text(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def sql_name(column: str) -> str:
    """A column's name as SQL."""
    return '"' + column.replace('"', '""') + '"'


def sql_texts(values: Iterable[str]) -> str:
    """Texts as an SQL list without its brackets."""
    return ", ".join(map(sql_text, values))


def is_blank(column: str) -> str:
    """SQL: the text is empty or white space (false where it is null)."""
    # Trimming is slow, so only texts that can begin with white space come to it: those between a
    # white-space character and the character after it, in the order of their bytes in UTF-8.
    begins = " OR ".join(
        f"({column} >= {sql_text(first)} AND {column} < {sql_text(after)})"
        for first, after in _RUNS
    )
    return (
        f"CASE WHEN {column} = '' OR {begins} "
        f"THEN trim({column}, {sql_text(WHITE_SPACE)}) = '' ELSE false END"
    )


def _runs(characters: str) -> list[tuple[str, str]]:
    """Runs of consecutive characters: the first of each, and the one after the last."""
    runs: list[tuple[int, int]] = []
    for code in sorted(map(ord, characters)):
        if runs and runs[-1][1] == code:
            runs[-1] = (runs[-1][0], code + 1)
        else:
            runs.append((code, code + 1))
    return [(chr(first), chr(after)) for first, after in runs]


_RUNS = _runs(WHITE_SPACE)
