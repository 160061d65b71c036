"""Values and predicates as DuckDB SQL: one wording for the checks, the report and the writers."""

from __future__ import annotations

WHITE_SPACE = (
    " \t\n\r\v\f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""Characters that are trimmed from text; a text of nothing else is blank."""


def sql_text(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def is_blank(column: str) -> str:
    """SQL: the text is empty or white space (false where it is null)."""
    # White space sorts before '!' or beyond ASCII: only such texts are worth the slow trimming.
    return (
        f"CASE WHEN {column} < '!' OR {column} > '~' "
        f"THEN trim({column}, {sql_text(WHITE_SPACE)}) = '' ELSE false END"
    )
