"""Which items an answer may hold: one value that every index, the release and the service know.

    Filter(include={"genres": ["crime", "noir"]}, ranges={"minutes": (None, 600.0)})

Columns are declared in `data.filterable` by name and kind. An item passes where it has one of
the included values of each column, none of the excluded ones, and lies within every range; what
is not known of an item is not included, not excluded, and in no range.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from colisten.data.ids import id_fault
from colisten.errors import FilterRefused, VectorIndexError
from colisten.settings.data import FilterKind
from colisten.words import advice, shown

ITEM_ID = "item_id"
Kinds = Mapping[str, FilterKind]
ARROW_TYPES: dict[FilterKind, pa.DataType] = {
    "keyword": pa.string(),
    "keywords": pa.list_(pa.string()),
    "number": pa.float64(),
    "moment": pa.timestamp("us", tz="UTC"),
}
RANGED: tuple[FilterKind, ...] = ("number", "moment")
MAX_KEYWORD_BYTES = 256
MAX_KEYWORDS = 1000  # of one item in one column
LARGEST_NUMBER = 1e300
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN_MOMENT = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Filter:
    """A condition on items.

    Values of a keyword column are texts, of a number column numbers, of a moment column moments
    with a zone. `item_id` is a keyword column that need not be declared.

    Attributes:
        include: Per column the values of which an item must have one.
        exclude: Per column the values that no item of an answer has.
        ranges: Per number or moment column the least and the greatest value, both inclusive;
            None leaves an end open.
    """

    include: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    exclude: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def columns(self) -> frozenset[str]:
        """Every column that it names."""
        return frozenset({*self.include, *self.exclude, *self.ranges})

    def without_ids(self) -> Filter:
        """Without what it says of item ids."""
        return Filter(_but_id(self.include), _but_id(self.exclude), self.ranges)

    def excluding(self, ids: Sequence[str]) -> Filter:
        """With these ids in place of the excluded ones."""
        return replace(self, exclude={**self.exclude, ITEM_ID: ids})

    def checked(self, kinds: Kinds) -> Filter:
        """The same condition on values as indexes hold them: a moment as microseconds since 1970.

        Args:
            kinds: The columns that can be filtered by.

        Raises:
            FilterRefused: A column is unknown or a value is none of its kind.
        """
        known: dict[str, FilterKind] = {**kinds, ITEM_ID: "keyword"}
        for column in sorted(self.columns):
            if column not in known:
                raise FilterRefused(
                    f"Items cannot be filtered by {shown(column)}.",
                    advice(column, list(kinds)),
                    column=column,
                )
        include = {name: _values(name, known[name], given) for name, given in self.include.items()}
        for name, values in include.items():
            if not values:
                raise FilterRefused(f"No value of '{name}' is included.", column=name)
        return Filter(
            include,
            {
                name: _values(name, known[name], given)
                for name, given in self.exclude.items()
                if given
            },
            {name: _range(name, known[name], given) for name, given in self.ranges.items()},
        )

    def allows(self, item: Mapping[str, Any]) -> bool:
        """Whether one item passes; the definition that every index must agree with.

        Args:
            item: Per column its value in checked form, a list for keywords, None where unknown.
        """
        return (
            all(_has(item[name], values) for name, values in self.include.items())
            and not any(_has(item[name], values) for name, values in self.exclude.items())
            and all(_within(item[name], *ends) for name, ends in self.ranges.items())
        )


EVERY_ITEM = Filter()
NO_COLUMNS = pa.table({})


class FilterColumns:
    """What n items are filtered by, in arrays.

    Args:
        table: One row an item, columns of `ARROW_TYPES`.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.kinds = {name: kind_of(table.column(name).type) for name in table.column_names}
        self._columns = {
            name: _encoded(kind, table.column(name)) for name, kind in self.kinds.items()
        }

    def mask(self, asked: Filter) -> np.ndarray | None:
        """Which items pass, bool [n]; None where no column but the id is asked about.

        Args:
            asked: A checked filter; what it says of ids is left to the caller.
        """
        asked = asked.without_ids()
        if not asked.columns:
            return None
        mask = np.ones(len(self.table), dtype=bool)
        for name, values in asked.include.items():
            mask &= self._columns[name].having(values)
        for name, values in asked.exclude.items():
            mask &= ~self._columns[name].having(values)
        for name, (low, high) in asked.ranges.items():
            mask &= self._columns[name].within(low, high)
        return mask

    def known(self, asked: Filter) -> Filter:
        """A checked filter without keywords that no item has: an index is asked of no others."""

        def some(part: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
            return {
                name: [value for value in values if self._has(name, value)]
                for name, values in part.items()
            }

        return replace(asked, include=some(asked.include), exclude=some(asked.exclude))

    def _has(self, name: str, value: Any) -> bool:
        words = None if name == ITEM_ID else self._columns[name].words
        return words is None or value in words


@dataclass(frozen=True)
class _Column:
    """One column: `values[i]` belongs to item `rows[i]`, or to item i where rows is None.

    Keywords are codes by `words`; -1 is an unknown one.
    """

    n: int
    values: np.ndarray
    rows: np.ndarray | None = None
    words: dict[str, int] | None = None

    def having(self, wanted: Sequence[Any]) -> np.ndarray:
        if self.words is not None:
            wanted = [self.words[word] for word in wanted if word in self.words]
        hit = self.values == wanted[0] if len(wanted) == 1 else np.isin(self.values, wanted)
        if self.rows is None:
            return np.asarray(hit)
        mask = np.zeros(self.n, dtype=bool)
        mask[self.rows[hit]] = True
        return mask

    def within(self, low: Any, high: Any) -> np.ndarray:
        # An unknown number is NaN, which no comparison holds for.
        mask = self.values > _UNKNOWN_MOMENT if self.values.dtype == np.int64 else True
        mask &= self.values >= (-np.inf if low is None else low)
        return np.asarray(mask & (self.values <= (np.inf if high is None else high)))


def kind_of(arrow: pa.DataType) -> FilterKind:
    """The kind of column that an Arrow type holds; raises VectorIndexError where it is none."""
    for kind, known in ARROW_TYPES.items():
        if arrow == known:
            return kind
    raise VectorIndexError(
        f"A column of {arrow} cannot be filtered by.",
        f"Cast it to one of {', '.join(map(str, ARROW_TYPES.values()))}.",
    )


def filter_columns(items: pa.Table, kinds: Kinds) -> dict[str, pa.Array]:
    """The columns of a table of items by their kind, without what no filter can ask for.

    A keyword longer than 256 bytes, what comes after an item's first 1000 keywords, and numbers
    beyond 1e300 count as unknown.

    Raises:
        VectorIndexError: A column is missing or of another kind.
    """
    made = {}
    for name, kind in kinds.items():
        there = items.schema.field(name).type if name in items.column_names else None
        if there is None or kind_of(there) != kind:
            raise VectorIndexError(
                f"The items have {'no column' if there is None else f'{there} in'} '{name}', which "
                f"data.filterable says holds {ARROW_TYPES[kind]}.",
                "Prepare the tables again with these settings.",
            )
        values = items.column(name).to_pylist()
        if kind == "keyword":
            values = [(_words([value]) or [None])[0] for value in values]
        elif kind == "keywords":
            values = [_words(value) for value in values]
        elif kind == "number":
            values = [
                value if value is not None and abs(value) <= LARGEST_NUMBER else None
                for value in values
            ]
        made[name] = pa.array(values, ARROW_TYPES[kind])
    return made


def _words(given: list[Any] | None) -> list[Any]:
    fitting = [word for word in given or () if word and _keyword_fault(word) is None]
    return fitting[:MAX_KEYWORDS]


def check_columns(table: pa.Table) -> None:
    """Refuse columns that some index would not take; raises VectorIndexError."""
    for name in table.column_names:
        kind, column = kind_of(table.column(name).type), table.column(name)
        if name == ITEM_ID:
            raise VectorIndexError("Items are always filtered by 'item_id'; no column says it.")
        if kind == "keywords":
            longest = max((len(value) for value in column.to_pylist() if value), default=0)
            if longest > MAX_KEYWORDS:
                raise VectorIndexError(
                    f"An item has {longest:,} values in '{name}', over {MAX_KEYWORDS:,}."
                )
            column = pa.chunked_array(
                [chunk.flatten() for chunk in column.chunks], pa.string()
            ).drop_null()
        for value in column.drop_null().unique().to_pylist():
            try:
                _value(name, kind, value)
            except FilterRefused as error:
                raise VectorIndexError(error.what, error.do) from error


def _encoded(kind: FilterKind, column: pa.ChunkedArray) -> _Column:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    n = len(whole)
    if kind == "number":
        return _Column(n, whole.to_numpy(zero_copy_only=False).astype(np.float64))
    if kind == "moment":
        return _Column(n, whole.cast(pa.int64()).fill_null(_UNKNOWN_MOMENT).to_numpy())
    rows = None
    if kind == "keywords":
        lengths = whole.value_lengths().fill_null(0).to_numpy().astype(np.int64)
        rows = np.repeat(np.arange(n), lengths)
        whole = whole.flatten()
    coded = whole.dictionary_encode()
    words = {word: at for at, word in enumerate(coded.dictionary.to_pylist())}
    return _Column(n, coded.indices.fill_null(-1).to_numpy().astype(np.int32), rows, words)


def _but_id(part: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    return {name: values for name, values in part.items() if name != ITEM_ID}


def _has(value: Any, wanted: Sequence[Any]) -> bool:
    if isinstance(value, list):
        return any(one in wanted for one in value)
    return value is not None and value in wanted


def _within(value: Any, low: Any, high: Any) -> bool:
    if value is None:
        return False
    return (low is None or value >= low) and (high is None or value <= high)


def _values(column: str, kind: FilterKind, given: Iterable[Any]) -> tuple[Any, ...]:
    if isinstance(given, str):  # a text is a sequence of letters
        raise FilterRefused(f"Values of '{column}' come as a list.", column=column)
    return tuple(_value(column, kind, value) for value in given)


def _range(column: str, kind: FilterKind, given: tuple[Any, Any]) -> tuple[Any, Any]:
    if kind not in RANGED:
        raise FilterRefused(
            f"'{column}' holds {'one keyword' if kind == 'keyword' else 'keywords'}, which have "
            "no range.",
            "Include or exclude values.",
            column=column,
        )
    low, high = (None if end is None else _value(column, kind, end) for end in given)
    if low is None and high is None:
        raise FilterRefused(f"The range of '{column}' has no end.", "Give one.", column=column)
    if low is not None and high is not None and low > high:
        raise FilterRefused(
            f"The range of '{column}' begins at {given[0]} and ends at {given[1]}.", column=column
        )
    return low, high


def _value(column: str, kind: FilterKind, value: Any) -> Any:
    """A value as indexes hold it; raises FilterRefused where it is none of the column's kind."""
    fault = None
    if kind == "number":
        if isinstance(value, bool) or not isinstance(value, int | float):
            fault = "is no number"
        elif not math.isfinite(value) or abs(value) > LARGEST_NUMBER:
            fault = f"lies beyond {LARGEST_NUMBER:g}"
    elif kind == "moment":
        if not isinstance(value, datetime):
            fault = "is no moment"
        elif value.tzinfo is None:
            fault = "has no time zone"
    elif not isinstance(value, str):
        fault = "is no text"
    else:
        fault = id_fault(value) if column == ITEM_ID else _keyword_fault(value)
    if fault is not None:
        raise FilterRefused(f"The value {shown(value)} of '{column}' {fault}.", column=column)
    if kind == "number":
        return float(value)
    return (value - _EPOCH) // timedelta(microseconds=1) if kind == "moment" else value


def _keyword_fault(text: str) -> str | None:
    if not text:
        return "is empty"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    if size > MAX_KEYWORD_BYTES:
        return f"is {size:,} bytes long in UTF-8, over {MAX_KEYWORD_BYTES}"
    return None
