"""Two windows of users as Evidently can compare them: the same columns, numbers or texts alone.

Evidently stops with a traceback at moments, booleans, bytes, lists, mixed values, columns without
a finite value, names that are no text, and numbers too near or too far apart for ten bars.
"""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from colisten.errors import ReportError

MAX_ROWS = 20_000
"""Evidently's own cost grows with rows; this many tell a shift as well as all of them."""

MAX_LEVELS = 1_000
"""Categories of a column, the most common ones, that stay apart; its cost grows with them."""

LARGEST = 1e100
"""Numbers beyond it are taken for it, so that differences and squares stay finite."""

_MOST_STRATA = 200
_SMALLEST = 1 / LARGEST
_LARGEST_ALONE = 1e12
_BITS = 40
_NUMBERS, _TEXTS = "numbers", "text"
# A whole exchange of rare values must show, so those of one window alone are no match for others.
_RARE = "(rare, in both windows)"
_EARLIER = "(rare, in the reference alone)"
_LATER = "(rare, in the current window alone)"


def comparable(
    reference: pd.DataFrame, current: pd.DataFrame, *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Both windows with columns of floats or texts, and the columns that are left out.

    Moments become seconds since 1970 and durations seconds; infinite numbers are no values, and
    numbers are rounded to twelve digits. A column whose only number in a window lies beyond 1e12,
    and all else that is no number, is compared as text, whose values beyond the `MAX_LEVELS` most
    common ones become few.

    Args:
        reference: Users of the earlier window.
        current: Users of the later window: the same columns, in any order.
        seed: Of the sample drawn where a window has more than `MAX_ROWS` rows, stratified by the
            first column of few texts.

    Returns:
        The two windows in the reference's order of columns, and the names of the columns without
        a value in one of them, which they lack.

    Raises:
        ReportError: The windows have different columns, two of one name, no row, numbers in
            one and text in the other, or no column that can be compared.
    """
    frames = [_sampled(_named(frame), seed) for frame in (reference, current)]
    names = list(frames[0].columns)
    if differing := sorted(set(names) ^ set(frames[1].columns)):
        raise ReportError(f"The two windows have different columns: {_listed(differing)}.")
    if not len(frames[0]) or not len(frames[1]):
        raise ReportError(
            f"A window has no users (reference {len(reference)}, current {len(current)}).",
            "Choose windows with events.",
        )
    columns: dict[str, tuple[pd.Series, pd.Series]] = {}
    for name in names:
        then, now = (_plain(frame[name]) for frame in frames)
        if then.isna().all() or now.isna().all():
            continue
        kinds = [_kind(then), _kind(now)]
        if kinds[0] != kinds[1]:
            raise ReportError(
                f"The column {name!r} holds {kinds[0]} in the reference and {kinds[1]} in the "
                "current window.",
                "Give it one type.",
            )
        if kinds[0] == _NUMBERS and (_without_bars(then) or _without_bars(now)):
            then, now = (each.map(repr, na_action="ignore").astype(object) for each in (then, now))
        columns[name] = (then, now) if _kind(then) == _NUMBERS else _folded(then, now)
    if not columns:
        raise ReportError("No column has values in both windows.")
    earlier, later = (
        pd.DataFrame({name: pair[side].reset_index(drop=True) for name, pair in columns.items()})
        for side in (0, 1)
    )
    return earlier, later, tuple(name for name in names if name not in columns)


def plain_columns(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns as floats (nan where missing) or texts (None where missing), by their name as text.

    Values become what `comparable` makes of them. A column without a value is one of floats.

    Raises:
        ReportError: Two columns have one name, or this is no frame.
    """
    named = _named(frame)
    columns = {}
    for name in named.columns:
        values = _plain(named[name]).reset_index(drop=True)
        columns[name] = values.astype(float) if values.isna().all() else values
    return columns


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with texts as names of columns."""
    if not isinstance(frame, pd.DataFrame):
        raise ReportError(f"A window is a {type(frame).__name__}.", "Pass a pandas.DataFrame.")
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReportError(f"Columns of one name: {_listed(twice)}.", "Rename them.")
    return frame.set_axis(names, axis="columns")


def _sampled(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """At most `MAX_ROWS` rows, in their order: of every stratum its share, and one at the least."""
    if len(frame) <= MAX_ROWS:
        return frame
    strata = _strata(frame)
    drawn = np.random.default_rng(seed).permutation(len(frame))
    drawn = drawn[np.argsort(strata[drawn], kind="stable")]
    sizes = np.bincount(strata)
    ends = np.cumsum(sizes)
    picked = [
        drawn[end - size : end - size + count]
        for size, end, count in zip(sizes, ends, _allocated(sizes, MAX_ROWS), strict=True)
    ]
    return frame.iloc[np.sort(np.concatenate(picked))]


def _strata(frame: pd.DataFrame) -> np.ndarray:
    """Number of each row's stratum: its value in the first column of few texts, such as country."""
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name].dtype):
            continue
        try:
            codes, values = pd.factorize(frame[name], use_na_sentinel=False)
        except (TypeError, ValueError, ArithmeticError, NotImplementedError):
            # Lists are no categories, and a decimal that signals equals nothing, not even itself.
            continue
        if 1 < len(values) <= _MOST_STRATA:
            return np.asarray(codes)
    return np.zeros(len(frame), dtype=np.intp)


def _allocated(sizes: np.ndarray, rows: int) -> np.ndarray:
    """Rows of each stratum: its share by largest remainders, one at the least; `rows` together."""
    shares = sizes * (rows / sizes.sum())
    counts = np.maximum(1, shares.astype(np.intp))
    for at in np.argsort(counts - shares, kind="stable")[: max(0, rows - counts.sum())]:
        counts[at] += 1
    while counts.sum() > rows:  # what each rare one has more is taken from the most common
        counts[counts.argmax()] -= 1
    allocated: np.ndarray = counts
    return allocated


def _plain(column: pd.Series) -> pd.Series:
    """Floats, or texts as objects; missing values are nan or None."""
    kind = column.dtype
    if isinstance(kind, pd.ArrowDtype):
        column = pd.Series(column.array.__arrow_array__().to_pylist())
        column, kind = column.infer_objects(), column.infer_objects().dtype
    if pd.api.types.is_datetime64_any_dtype(kind):
        seconds = pd.to_datetime(column, utc=True) - pd.Timestamp(0, tz="UTC").as_unit("s")
        return _numbers(seconds.dt.total_seconds())
    if pd.api.types.is_timedelta64_dtype(kind):
        return _numbers(column.dt.total_seconds())
    is_number = pd.api.types.is_numeric_dtype(kind)
    if is_number and not (pd.api.types.is_bool_dtype(kind) or kind.kind == "c"):
        return _numbers(column.to_numpy(dtype=float, na_value=np.nan))
    values = [_value(value) for value in column.astype(object)]
    if any(value is not None for value in values) and all(map(_is_number, values)):
        return _numbers([np.nan if value is None else _float(value) for value in values])
    # Half of a surrogate pair cannot be written.
    texts = [
        None if value is None else str(value).encode("utf-8", "backslashreplace").decode()
        for value in values
    ]
    return pd.Series(texts, dtype=object)


def _value(value: Any) -> Hashable | None:
    """None for what stands for a missing value; a value that holds others is none of them."""
    if isinstance(value, Decimal) and value.is_nan():
        return None  # a signalling one cannot even be compared
    if pd.api.types.is_scalar(value):
        return None if pd.isna(value) else value
    return str(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, Real | Decimal) and not isinstance(value, bool))


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST  # type: ignore[operator]


def _numbers(values: object) -> pd.Series:
    """Floats whose histogram can be drawn: in bounds, and none a rounding error from another."""
    with np.errstate(all="ignore"):
        numbers = np.array(values, dtype=float)
    numbers[np.isinf(numbers)] = np.nan
    numbers = np.clip(numbers, -LARGEST, LARGEST)
    numbers[np.abs(numbers) < _SMALLEST] = 0.0
    digits, powers = np.frexp(numbers)
    return pd.Series(np.ldexp(np.round(np.ldexp(digits, _BITS)), powers - _BITS))


def _without_bars(column: pd.Series) -> bool:
    """Whether a window's one number is so large that bars about it would have no width."""
    return bool(column.min() == column.max() and abs(column.min()) > _LARGEST_ALONE)


def _kind(column: pd.Series) -> str:
    return _NUMBERS if column.dtype.kind == "f" else _TEXTS


def _folded(then: pd.Series, now: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Texts, of which the rare ones are merged by the windows that they occur in alone."""
    common = pd.concat([then, now]).value_counts()
    if len(common) <= MAX_LEVELS:
        return then, now
    both = set(then.dropna()) & set(now.dropna())
    order = sorted(common.index, key=lambda value: (-common[value], value))
    frequent = set(order[:MAX_LEVELS])

    def fold(column: pd.Series, alone: str) -> pd.Series:
        rare = column.notna() & ~column.isin(frequent)
        return column.mask(rare & column.isin(both), _RARE).mask(rare & ~column.isin(both), alone)

    return fold(then, _EARLIER), fold(now, _LATER)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name if len(name) <= 60 else f"{name[:59]}…") for name in names[:5])
    return shown + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
