"""How to mend a column of the wrong type: one line of pandas that gives the right values.

The line is chosen by the values that provoked it. Whole numbers may be seconds, milliseconds,
days or dates written as numbers, and the line that suits one gives 1970 for another. A line is
given only if it works on the values at hand; otherwise words say what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from colisten.data.contract import AGE, MOMENT, TEXT, WHOLE, Column
from colisten.data.moments import EARLIEST, LATEST

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_SECONDS = 86_400
_EXCEL_EPOCH = "1899-12-30"
_EXCEL_DAYS = (EARLIEST - pd.Timestamp(_EXCEL_EPOCH, tz="UTC").to_pydatetime()).days
_UTC_NOTE = "What has no zone is taken as UTC."


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
                said = f"{column.kind.wanted}, e.g. frame[{column.name!r}] = {text}."
                return f"{said} {line.note}".strip()
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError):
        pass  # Values so strange that pandas has no word for them: no line helps.
    return f"{column.kind.wanted}."


def _works(column: Column, line: _Line, values: pd.Series) -> bool:
    try:
        made = line.apply(values)
        kept = made.notna().sum() >= values.notna().sum() or column.kind is AGE
        kind = pa.Array.from_pandas(made).type
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError, AttributeError):
        return False
    return bool(kept) and (column.kind.accepts(kind) or pa.types.is_null(kind))


def _lines(column: Column, values: pd.Series, kind: pa.DataType) -> Iterator[_Line]:
    if column.kind is MOMENT:
        yield from _moments(values, kind)
    elif column.kind is TEXT:
        yield from _texts(values, kind)
    elif column.kind is AGE:
        yield _Line("pandas.to_numeric({frame})", lambda found: pd.to_numeric(found))
        yield _Line(
            "pandas.to_numeric({frame}, errors='coerce')",
            lambda found: pd.to_numeric(found, errors="coerce"),
            "What is no number becomes an unknown age.",
        )
        yield _Line("{frame}.astype('float64')", lambda found: found.astype("float64"))
    elif column.kind is WHOLE:
        numbers = pd.to_numeric(values)
        if (numbers.dropna() == numbers.dropna().round()).all():
            yield _Line(
                "pandas.to_numeric({frame}).astype('Int32')",
                lambda found: pd.to_numeric(found).astype("Int32"),
            )


def _texts(values: pd.Series, kind: pa.DataType) -> Iterator[_Line]:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield _Line("{frame}.str.decode('utf-8')", lambda found: found.str.decode("utf-8"))
        return
    if not pa.types.is_integer(kind) and not pa.types.is_floating(kind):
        yield _Line("{frame}.astype('string')", lambda found: found.astype("string"))
        return
    numbers = values.dropna()
    exact = values.dtype.kind != "f" or (numbers.abs() < 2**53).all()
    if exact and (numbers % 1 == 0).all():
        # pandas reads whole numbers with gaps as floats, and 7 would become '7.0'.
        whole: Any = "UInt64" if pa.types.is_uint64(kind) else "Int64"
        yield _Line(
            f"{{frame}}.astype('{whole}').astype('string')",
            lambda found: found.astype(whole).astype("string"),
        )
    elif pa.types.is_floating(kind):
        yield _Line("{frame}.astype('string')", lambda found: found.astype("string"))


def _moments(values: pd.Series, kind: pa.DataType) -> Iterator[_Line]:
    if pa.types.is_timestamp(kind):
        yield _Line(
            "{frame}.dt.tz_localize('UTC')",
            lambda found: found.dt.tz_localize("UTC"),
            "If they are another zone's local times, name that zone instead of UTC. In Spark set "
            "spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS.",
        )
    elif pa.types.is_date(kind):
        yield _Line(
            "pandas.to_datetime({frame}, utc=True)", lambda found: pd.to_datetime(found, utc=True)
        )
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        yield from _epochs(values, "{frame}", lambda found: found)
    elif pa.types.is_decimal(kind):
        yield from _epochs(
            pd.to_numeric(values), "pandas.to_numeric({frame})", lambda found: pd.to_numeric(found)
        )
    elif not values.dropna().map(lambda value: isinstance(value, str)).all():
        return
    else:
        yield from _written(values)


def _epochs(numbers: pd.Series, source: str, read: Callable[[Any], Any]) -> Iterator[_Line]:
    """Moments counted in a unit: the one by which most of them lie in the span of the clock."""
    finite = numbers.dropna().astype("float64")
    finite = finite[np.isfinite(finite) & (finite != 0)]
    if finite.empty:
        return
    middle = float(finite.median())
    least, most = EARLIEST.timestamp(), LATEST.timestamp()
    for unit, parts in _UNITS.items():
        if least <= middle / parts <= most:
            yield _Line(
                f"pandas.to_datetime({source}, unit='{unit}', utc=True)",
                _counted(read, unit),
            )
    days = least / _DAY_SECONDS
    if days <= middle < _EXCEL_DAYS:
        yield _Line(
            f"pandas.to_datetime({source}, unit='D', utc=True)",
            lambda found: pd.to_datetime(read(found), unit="D", utc=True),
        )
    elif _EXCEL_DAYS <= middle <= most / _DAY_SECONDS:
        yield _Line(
            f"pandas.to_datetime({source}, unit='D', origin='{_EXCEL_EPOCH}', utc=True)",
            lambda found: pd.to_datetime(read(found), unit="D", origin=_EXCEL_EPOCH, utc=True),
            "They look like a spreadsheet's days.",
        )
    whole = bool((finite % 1 == 0).all())
    for digits, form in ((8, "%Y%m%d"), (4, "%Y")):
        if whole and len(f"{middle:.0f}") == digits:
            yield _Line(
                f"pandas.to_datetime({source}.astype('Int64').astype('string'), "
                f"format='{form}', utc=True)",
                _digits(read, form),
            )


def _counted(read: Callable[[Any], Any], unit: str) -> Callable[[Any], Any]:
    return lambda found: pd.to_datetime(read(found), unit=unit, utc=True)  # type: ignore[call-overload]


def _digits(read: Callable[[Any], Any], form: str) -> Callable[[Any], Any]:
    return lambda found: pd.to_datetime(
        read(found).astype("Int64").astype("string"), format=form, utc=True
    )


def _written(values: pd.Series) -> Iterator[_Line]:
    """Moments as text."""
    texts = values.dropna().str.strip()
    texts = texts[texts != ""]
    if texts.str.fullmatch(r"-?\d{9,}(\.\d+)?").all():
        yield from _epochs(
            pd.to_numeric(values), "pandas.to_numeric({frame})", lambda found: pd.to_numeric(found)
        )
        return
    yield _Line(
        "pandas.to_datetime({frame}, format='ISO8601', utc=True)",
        lambda found: pd.to_datetime(found, format="ISO8601", utc=True),
        _UTC_NOTE,
    )
    parts = texts.str.extract(r"^(\d{1,2})[/.-](\d{1,2})[/.-]\d{4}\b")
    if not parts.isna().any(axis=None):
        days, months = parts[0].astype(int).max() > 12, parts[1].astype(int).max() > 12
        if days != months:
            yield _Line(
                f"pandas.to_datetime({{frame}}, dayfirst={bool(days)}, format='mixed', utc=True)",
                lambda found: pd.to_datetime(found, dayfirst=bool(days), format="mixed", utc=True),
                _UTC_NOTE,
            )
    elif texts.str.contains(r"[A-Za-z]{3}").all():  # The month has a name.
        yield _Line(
            "pandas.to_datetime({frame}, format='mixed', utc=True)",
            lambda found: pd.to_datetime(found, format="mixed", utc=True),
            _UTC_NOTE,
        )
