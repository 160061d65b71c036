"""How to mend a column of the wrong type: one line of pandas that gives the right values.

The line depends on the values that provoked it. Whole numbers may be seconds, milliseconds,
days or dates written as numbers, and the line that suits one gives 1970 for another. A line is
given only if it works on the values at hand; otherwise words say what is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from colisten.data.contract import MOMENT, NUMBER, TEXT, WHOLE, Column
from colisten.data.moments import EARLIEST, newest

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_SECONDS = 86_400
_EXCEL_EPOCH = "1899-12-30"
_EXCEL_DAYS = (EARLIEST - pd.Timestamp(_EXCEL_EPOCH, tz="UTC").to_pydatetime()).days
_UTC_NOTE = "What has no zone is taken as UTC."
_ROUNDED = ".dt.round('us')"
_FORMS = {14: "%Y%m%d%H%M%S", 12: "%Y%m%d%H%M", 10: "%Y%m%d%H", 8: "%Y%m%d", 6: "%Y%m", 4: "%Y"}
"""Moments written as digits, by their number."""

_WORDS = re.compile(
    r"(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|june|july"
    r"|august|september|october|november|december)|mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|t|z|utc|gmt|am|pm"
)
"""Words that pandas understands in a moment; the first group names months."""


@dataclass(frozen=True)
class _Line:
    """An expression over `frame` and what it gives.

    Attributes:
        text: The right side, with `{frame}` for the column.
        apply: The same as a function.
        note: What to know beside it.
    """

    text: str
    apply: Callable[[Any], Any]
    note: str = ""


def advice(column: Column, values: pa.ChunkedArray) -> str:
    """What to do about a column whose type does not fit.

    Args:
        column: As the contract has it.
        values: Values of the column, as many as shall be judged by.
    """
    try:
        frame = values.to_pandas()
        for line in _lines(column, frame, values.type):
            if _works(column, line, frame):
                text = line.text.format(frame=f"frame[{column.name!r}]")
                sentence = f"{column.kind.wanted}, e.g. frame[{column.name!r}] = {text}."
                return f"{sentence} {line.note}".strip()
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError):
        pass  # Values so strange that pandas has no word for them: no line helps.
    return f"{column.kind.wanted}."


def _works(column: Column, line: _Line, values: pd.Series) -> bool:
    try:
        made = line.apply(values)
        complete = made.notna().sum() >= _has_value(values).sum()
        if column.kind is NUMBER:  # Some may be no number, not all of them.
            complete = made.notna().any() or not _has_value(values).any()
        kind = pa.Array.from_pandas(made).type
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError, AttributeError):
        return False
    return bool(complete) and (column.kind.accepts(kind) or pa.types.is_null(kind))


def _has_value(values: pd.Series) -> pd.Series:
    """Whether a row has a value; blank text is none."""
    return values.map(lambda value: not (isinstance(value, str) and not value.strip())) & (
        values.notna()
    )


def _lines(column: Column, values: pd.Series, kind: pa.DataType) -> Iterator[_Line]:
    if column.kind is MOMENT:
        yield from _moments(values, kind)
    elif column.kind is TEXT:
        yield from _texts(values, kind)
    elif column.kind is NUMBER and _holds_numbers(kind):
        yield _Line("pandas.to_numeric({frame})", lambda values: pd.to_numeric(values))
        yield _Line(
            "pandas.to_numeric({frame}, errors='coerce')",
            lambda values: pd.to_numeric(values, errors="coerce"),
            "What is no number becomes an unknown age.",
        )
    elif column.kind is WHOLE:
        numbers = pd.to_numeric(values)
        if (numbers.dropna() == numbers.dropna().round()).all():
            yield _Line(
                "pandas.to_numeric({frame}).astype('Int32')",
                lambda values: pd.to_numeric(values).astype("Int32"),
            )


def _holds_numbers(kind: pa.DataType) -> bool:
    """Whether values may be numbers in another form; dates, spans and flags are none."""
    if pa.types.is_dictionary(kind):
        return _holds_numbers(kind.value_type)
    return bool(pa.types.is_decimal(kind)) or _is_written(kind)


def _is_written(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
    )
    return any(test(kind) for test in tests)


def _texts(values: pd.Series, kind: pa.DataType) -> Iterator[_Line]:
    """Text of numbers and bytes alone: of lists, structs or flags pandas makes a text that is no
    name of anything."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield _Line("{frame}.str.decode('utf-8')", lambda values: values.str.decode("utf-8"))
    elif pa.types.is_decimal(kind) and kind.scale == 0:
        yield _Line("{frame}.astype('string')", lambda values: values.astype("string"))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        yield from _numbers_as_text(values, kind)


def _numbers_as_text(values: pd.Series, kind: pa.DataType) -> Iterator[_Line]:
    numbers = values.dropna()
    largest = 2 ** {16: 11, 32: 24}.get(kind.bit_width, 53)
    if pa.types.is_integer(kind) and values.dtype.kind == "f":
        largest = 2**53
    if values.dtype.kind == "f" and not (numbers.abs() < largest).all():
        return  # Digits are lost already: what it gave would be other numbers.
    if (numbers % 1 == 0).all():
        # pandas reads whole numbers with gaps as floats, and 7 would become '7.0'.
        whole: Any = "UInt64" if pa.types.is_uint64(kind) else "Int64"
        yield _Line(
            f"{{frame}}.astype('{whole}').astype('string')",
            lambda values: values.astype(whole).astype("string"),
        )
    else:
        yield _Line("{frame}.astype('string')", lambda values: values.astype("string"))


def _moments(values: pd.Series, kind: pa.DataType) -> Iterator[_Line]:
    if pa.types.is_timestamp(kind):
        yield _Line(
            "{frame}.dt.tz_localize('UTC')",
            lambda values: values.dt.tz_localize("UTC"),
            "If they are another zone's local times, name that zone instead of UTC. In Spark set "
            "spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS.",
        )
    elif pa.types.is_date(kind):
        yield _Line(
            "pandas.to_datetime({frame}, utc=True)", lambda values: pd.to_datetime(values, utc=True)
        )
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        yield from _epochs(values, "{frame}", lambda values: values)
    elif pa.types.is_decimal(kind):
        yield from _epochs(
            pd.to_numeric(values),
            "pandas.to_numeric({frame})",
            lambda values: pd.to_numeric(values),
        )
    elif not values.dropna().map(lambda value: isinstance(value, str)).all():
        return
    else:
        yield from _written(values)


def _epochs(numbers: pd.Series, source: str, read: Callable[[Any], Any]) -> Iterator[_Line]:
    """Moments counted in a unit: the one by which most of them lie between 1990 and now."""
    finite = numbers.dropna().astype("float64")
    finite = finite[np.isfinite(finite) & (finite != 0)]
    if finite.empty:
        return
    middle = float(finite.median())
    least, most = EARLIEST.timestamp(), newest().timestamp()
    # Floats and decimals stand for a microsecond beside the one that was written.
    exact = numbers.dtype.kind in "iu" and not source.startswith("pandas")
    shares = {
        unit: finite.between(least * parts, most * parts).mean() for unit, parts in _UNITS.items()
    }
    for unit in sorted(shares, key=lambda unit: -shares[unit]):
        if shares[unit]:
            yield _Line(
                f"pandas.to_datetime({source}, unit='{unit}', utc=True){'' if exact else _ROUNDED}",
                _counted(read, unit, exact),
            )
    if max(shares.values()):
        return
    days = (least / _DAY_SECONDS, most / _DAY_SECONDS)
    if days[0] <= middle <= days[1]:
        yield _Line(
            f"pandas.to_datetime({source}, unit='D', utc=True){_ROUNDED}",
            lambda values: pd.to_datetime(read(values), unit="D", utc=True).dt.round("us"),
        )
    elif _EXCEL_DAYS <= middle <= days[1] + _EXCEL_DAYS - days[0]:
        yield _Line(
            f"pandas.to_datetime({source}, unit='D', origin='{_EXCEL_EPOCH}', utc=True){_ROUNDED}",
            lambda values: pd.to_datetime(
                read(values), unit="D", origin=_EXCEL_EPOCH, utc=True
            ).dt.round("us"),
            "They look like a spreadsheet's days.",
        )
    form = _FORMS.get(len(f"{middle:.0f}"))
    if form and bool((finite % 1 == 0).all()):
        yield _Line(
            f"pandas.to_datetime({source}.astype('Int64').astype('string'), "
            f"format='{form}', utc=True)",
            _digits(read, form),
        )


def _counted(read: Callable[[Any], Any], unit: str, exact: bool) -> Callable[[Any], Any]:
    def made(values: Any) -> Any:
        moments = pd.to_datetime(read(values), unit=unit, utc=True)  # type: ignore[call-overload]
        return moments if exact else moments.dt.round("us")

    return made


def _digits(read: Callable[[Any], Any], form: str) -> Callable[[Any], Any]:
    return lambda values: pd.to_datetime(
        read(values).astype("Int64").astype("string"), format=form, utc=True
    )


def _written(values: pd.Series) -> Iterator[_Line]:
    """Moments as text."""
    texts = values.dropna().str.strip()
    texts = texts[texts != ""]
    if texts.str.fullmatch(r"-?\d{9,}(\.\d+)?").all():
        yield from _epochs(
            pd.to_numeric(values),
            "pandas.to_numeric({frame})",
            lambda values: pd.to_numeric(values),
        )
        return
    yield _Line(
        "pandas.to_datetime({frame}, format='ISO8601', utc=True)",
        lambda values: pd.to_datetime(values, format="ISO8601", utc=True),
        _UTC_NOTE,
    )
    words = texts.str.lower().str.findall(r"[^\W\d_]+")
    if not words.map(lambda row: all(_WORDS.fullmatch(word) for word in row)).all():
        return  # A zone such as EST is a word to pandas, which it drops.
    parts = texts.str.extract(r"^(\d{1,2})[/.-](\d{1,2})[/.-]\d{4}\b")
    if not parts.isna().any(axis=None):
        days, months = parts[0].astype(int).max() > 12, parts[1].astype(int).max() > 12
        if days != months:
            yield _Line(
                f"pandas.to_datetime({{frame}}, dayfirst={bool(days)}, format='mixed', utc=True)",
                lambda values: pd.to_datetime(
                    values, dayfirst=bool(days), format="mixed", utc=True
                ),
                _UTC_NOTE,
            )
    elif _says_which_is_the_month(texts, words):
        yield _Line(
            "pandas.to_datetime({frame}, format='mixed', utc=True)",
            lambda values: pd.to_datetime(values, format="mixed", utc=True),
            _UTC_NOTE,
        )


def _says_which_is_the_month(texts: pd.Series, words: pd.Series) -> bool:
    """Whether each moment names its month, or begins with a year of four digits."""
    named = words.map(
        lambda row: any((match := _WORDS.fullmatch(word)) and match[1] for word in row)
    )
    return bool((named | texts.str.match(r"\d{4}\D")).all())
