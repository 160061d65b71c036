"""What a request asks to be filtered by, held against what its release declares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from colisten.data.languages import wanted_language
from colisten.data.moments import parse_moment
from colisten.errors import ConfigError, FilterRefused
from colisten.index.filter import EVERY_ITEM, ITEM_ID, Filter
from colisten.release.loaded import LoadedRelease
from colisten.serving.answers import UnknownValue
from colisten.serving.problems import refused_field
from colisten.serving.requests import FilterRequest

_LANGUAGE = "language"
_SHOWN_CHARS = 100
_MOST_SHOWN = 20


def asked_filter(
    language: str | None, request: FilterRequest | None, release: LoadedRelease
) -> Filter:
    """The filter of a request.

    Raises:
        Refused: A column is not declared, or a value is none of its kind (400).
    """
    if request is None:
        return EVERY_ITEM if language is None else Filter(include={_LANGUAGE: [language]})
    asked = Filter(
        {name: _read(release, "include", name, some) for name, some in request.include.items()},
        {name: _read(release, "exclude", name, some) for name, some in request.exclude.items()},
        {
            name: tuple(_read(release, "ranges", name, (ends.min, ends.max)))
            for name, ends in request.ranges.items()
        },
    )
    if language is not None:
        if _LANGUAGE in asked.include:
            raise refused_field("language", "filter.include says it too; leave one out.")
        asked = Filter({**asked.include, _LANGUAGE: [language]}, asked.exclude, asked.ranges)
    if ITEM_ID in asked.columns:
        raise refused_field("filter", "Leave items out by 'exclude' beside it, not by item_id.")
    try:
        asked.checked(release.columns.kinds)
    except FilterRefused as error:
        parts = {"include": asked.include, "exclude": asked.exclude, "ranges": asked.ranges}
        part = next(name for name, columns in parts.items() if error.column in columns)
        raise refused_field(f"filter.{part}.{error.column}", str(error)) from error
    return asked


def offered(release: LoadedRelease, asked: Filter, fallbacks: list[str]) -> np.ndarray | None:
    """Which recommendable items pass, bool [n_target], None where all do; says where none does."""
    mask = release.allowed(asked)
    if mask is None or mask.any():
        return mask
    spoken = asked.include.get(_LANGUAGE)
    alone = None if spoken is None else release.allowed(Filter(include={_LANGUAGE: spoken}))
    if alone is not None and not alone.any():
        fallbacks.append("language_not_offered")
    else:
        fallbacks.append("filter_matches_nothing")
    return mask


def unknown_values(
    language: str | None, request: FilterRequest | None, release: LoadedRelease, asked: Filter
) -> list[UnknownValue]:
    """What was asked for by name and nothing in the release has: mistyped, or not offered.

    Args:
        language: Of the request.
        request: Its filter.
        release: Who answers.
        asked: Both as `asked_filter` made them.
    """
    if language is None and request is None:
        return []
    known = release.columns.known(asked)
    unknown = []
    for part in ("include", "exclude"):
        meant, there = getattr(asked, part), getattr(known, part)
        for column, values in meant.items():
            own = part == "include" and column == _LANGUAGE and language is not None
            field = _LANGUAGE if own else f"filter.{part}.{column}"
            held = set(there[column])
            unknown += [
                UnknownValue(field=field, value=str(value)[:_SHOWN_CHARS])
                for value in values
                if value not in held
            ]
    return unknown[:_MOST_SHOWN]


def _read(release: LoadedRelease, part: str, column: str, values: Iterable[Any]) -> list[Any]:
    """Values as the tables hold them: a moment of its text, a language in the one writing."""
    try:
        return [_value(release, column, value) for value in values]
    except ConfigError as error:
        raise refused_field(f"filter.{part}.{column}", str(error)) from error


def _value(release: LoadedRelease, column: str, value: Any) -> Any:
    if isinstance(value, str) and column == _LANGUAGE:
        return wanted_language(value)
    if isinstance(value, str) and release.columns.kinds.get(column) == "moment":
        return parse_moment(value, "The moment", zone_needed=True)
    return value
