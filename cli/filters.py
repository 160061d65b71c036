"""Options that say which items an answer may hold, as the service's `filter` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from colisten.data.languages import wanted_language
from colisten.data.moments import parse_moment
from colisten.errors import FilterRefused
from colisten.index.filter import ITEM_ID, Filter
from colisten.settings.data import FilterKind
from colisten.words import shown

LANGUAGE = "language"
_ENDS = ".."

LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Only items in this language: en, pt-BR.")
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter-include",
        metavar="COLUMN=VALUE",
        help="Only items with one of these values of a column; repeatable.",
    ),
]
ExcludeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter-exclude", metavar="COLUMN=VALUE", help="No item with this value; repeatable."
    ),
]
RangeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter-range",
        metavar="COLUMN=LOW..HIGH",
        help="Only items within, both ends included; leave one out to leave it open; repeatable.",
    ),
]
LeftOutOption = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="ITEM", help="Leave this item out; repeatable."),
]


def read_filter(
    kinds: dict[str, FilterKind],
    language: str | None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    ranges: Sequence[str] | None = None,
    left_out: Sequence[str] | None = None,
) -> Filter:
    """The filter that options say.

    Args:
        kinds: The columns that the release can filter by.
        language: A language tag.
        include: `column=value`, values that items must have one of.
        exclude: `column=value`, values that no item has.
        ranges: `column=low..high`.
        left_out: Item ids.

    Raises:
        FilterRefused: An option has no `=` or a value is none of its column's kind. Columns that
            nobody declared are left to `Filter.checked`.
        ConfigError: A language or a moment cannot be read.
    """
    wanted = _by_column("--filter-include", include, kinds)
    if language is not None:
        wanted.setdefault(LANGUAGE, []).append(wanted_language(language))
    unwanted = _by_column("--filter-exclude", exclude, kinds)
    if left_out:
        unwanted.setdefault(ITEM_ID, []).extend(left_out)
    return Filter(wanted, unwanted, dict(_range(each, kinds) for each in ranges or ()))


def _by_column(
    option: str, given: Sequence[str] | None, kinds: dict[str, FilterKind]
) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    for text in given or ():
        column, value = _halves(option, text, "=", "COLUMN=VALUE")
        values.setdefault(column, []).append(_value(column, value, kinds))
    return values


def _range(text: str, kinds: dict[str, FilterKind]) -> tuple[str, tuple[Any, Any]]:
    column, ends = _halves("--filter-range", text, "=", "COLUMN=LOW..HIGH")
    low, high = _halves("--filter-range", ends, _ENDS, "COLUMN=LOW..HIGH")
    return column, (
        _value(column, low, kinds) if low else None,
        _value(column, high, kinds) if high else None,
    )


def _halves(option: str, text: str, mark: str, form: str) -> tuple[str, str]:
    first, found, second = text.partition(mark)
    if not found:
        raise FilterRefused(f"{option} {shown(text)} has no '{mark}'.", f"Write {form}.", column="")
    return first.strip(), second.strip()


def _value(column: str, text: str, kinds: dict[str, FilterKind]) -> Any:
    """A value as the tables hold it, by its column's kind."""
    kind = kinds.get(column)
    if column == LANGUAGE:
        return wanted_language(text)
    if kind == "moment":
        return parse_moment(text, f"The value of '{column}'")
    if kind == "number":
        try:
            return float(text)
        except ValueError as error:
            what = f"'{column}' holds numbers, not {shown(text)}."
            raise FilterRefused(what, column=column) from error
    return text
