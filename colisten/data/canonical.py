"""Columns in one writing: what a rule in Python makes of every text of a column, for use in SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from colisten.data.countries import country_of, is_country_code
from colisten.data.languages import language_of
from colisten.data.sql import is_blank
from colisten.data.views import TableViews
from colisten.data.violation import SHOWN_ROWS
from colisten.errors import ConfigError

_SHOWN_CHARS = 40


@dataclass(frozen=True)
class Strange:
    """A text that is no tag or code.

    Attributes:
        text: As it stands in the table.
        rows: How many rows hold it.
        first: Number of the first of them, from 0.
        hint: What to write instead; "" where nothing is known.
    """

    text: str
    rows: int
    first: int
    hint: str = ""

    def __str__(self) -> str:
        short = self.text[: _SHOWN_CHARS - 1]
        shown = self.text if len(self.text) <= _SHOWN_CHARS else f"{short}…"
        counted = "" if self.rows == 1 else f"{self.rows:,} rows, first "
        return f"{shown!r} ({counted}row {self.first})"


@dataclass
class Canonical:
    """A column of a view in one writing.

    Attributes:
        value: SQL for a row's value; null where it has none.
        strange: Texts that are no tag or code, the most frequent first.
    """

    value: str = ""
    strange: list[Strange] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that hold a strange text."""
        return sum(one.rows for one in self.strange)

    def shown(self) -> str:
        """The strange texts in words: `'English' (3 rows, first row 7), 'Elvish' (row 9)`."""
        words = ", ".join(str(one) for one in self.strange[:SHOWN_ROWS])
        more = len(self.strange) - SHOWN_ROWS
        return words + (f" and {more:,} more" if more > 0 else "")


def canonical_language(views: TableViews) -> Canonical:
    """Languages of `items`; a text that is no tag counts as no language."""
    column = Canonical()

    def rewrite(text: str, rows: int, first: int) -> str | None:
        try:
            return language_of(text)
        except ConfigError as unknown:
            column.strange.append(Strange(text, rows, first, unknown.do))
            return None

    column.value = _mapped(views, "items", "language", rewrite)
    return column


def canonical_country(views: TableViews) -> Canonical:
    """Countries of `users`; a text that is no code stays as it is."""
    column = Canonical()

    def rewrite(text: str, rows: int, first: int) -> str | None:
        country = country_of(text)
        if country is not None and not is_country_code(country):
            column.strange.append(Strange(text, rows, first))
        return country

    column.value = _mapped(views, "users", "country", rewrite)
    return column


def _mapped(
    views: TableViews, table: str, column: str, rewrite: Callable[[str, int, int], str | None]
) -> str:
    """Make a table of what `rewrite` makes of every text; returns the SQL that looks a row up."""
    texts = views.query(
        f"SELECT {column}, count(*) AS rows, min(row_number) FROM {table} "
        f"WHERE {column} IS NOT NULL AND NOT {is_blank(column)} "
        f"GROUP BY 1 ORDER BY rows DESC, 1",
        table,
    )
    given = [str(text) for text, _, _ in texts]
    values = [rewrite(str(text), int(rows), int(first)) for text, rows, first in texts]
    name = f"canonical_{column}"
    pairs = {"given": pa.array(given, pa.string()), "written": pa.array(values, pa.string())}
    views.connection.register(name, pa.table(pairs))
    return f"(SELECT {name}.written FROM {name} WHERE {name}.given = {table}.{column})"
