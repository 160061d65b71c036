"""Filters as Milvus takes them: fields of a collection, expressions, and what is made of hits.

Milvus before 2.5 knows no null, so a value of its own stands for what is unknown; no filter can
ask for it.
"""

from __future__ import annotations

from colisten.extras import needs

needs("pymilvus")

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pymilvus import CollectionSchema, DataType

from colisten.index.filter import (
    ITEM_ID,
    LARGEST_NUMBER,
    MAX_KEYWORD_BYTES,
    MAX_KEYWORDS,
    Filter,
    kind_of,
)
from colisten.index.protocol import Hits
from colisten.settings.data import FilterKind
from colisten.words import identifier

_FIELD_TYPES: dict[FilterKind, Any] = {
    "keyword": DataType.VARCHAR,
    "keywords": DataType.ARRAY,
    "number": DataType.DOUBLE,
    "moment": DataType.INT64,
}
_UNKNOWN: dict[FilterKind, Any] = {
    "keyword": "",
    "keywords": [],
    "number": -1.5 * LARGEST_NUMBER,
    "moment": -(2**62),
}
# The least that a filter can ask for: the first moment of the calendar.
_LEAST = {"number": -LARGEST_NUMBER, "moment": -(2**56)}
_LONGEST_FIELD = 255
# What a quoted text of an expression cannot hold as it is. Milvus Lite reads no \u, and no escape
# is needed for the other control characters.
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r"})


class Hit(NamedTuple):
    """One found item, with what a filter asks about it."""

    item: str
    score: float
    row: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Fields:
    """What a collection can be filtered by.

    Attributes:
        kinds: By field name.
    """

    kinds: Mapping[str, FilterKind]

    @classmethod
    def described(cls, fields: Sequence[Mapping[str, Any]]) -> Fields:
        """From the `fields` of `describe_collection`."""
        names = {kind: name for name, kind in _FIELD_TYPES.items()}
        return cls(
            {
                field["name"]: names[field["type"]]
                for field in fields
                if field["type"] in names and field["name"] not in (ITEM_ID, "row")
            }
        )

    def checked(self, asked: Filter) -> Filter:
        """See `Filter.checked`; raises FilterRefused as it does."""
        return asked.checked(self._named(asked))

    def expression(self, asked: Filter) -> str:
        """A checked filter as a filter expression, each text quoted; empty for every item."""
        kinds = {**self._named(asked), ITEM_ID: "keyword"}
        parts = [_having(name, kinds[name], values) for name, values in asked.include.items()]
        parts += [
            f"not ({_having(name, kinds[name], values)})"
            for name, values in asked.exclude.items()
            if values
        ]
        for name, (low, high) in asked.ranges.items():
            least = _LEAST[kinds[name]] if low is None else low
            parts.append(f"{field_name(name)} >= {least!r}")
            if high is not None:
                parts.append(f"{field_name(name)} <= {high!r}")
        return " and ".join(parts)

    def values(self, entity: Mapping[str, Any], asked: Filter) -> dict[str, Any]:
        """What a hit says of the columns that a filter asks about, as `Filter.allows` reads it."""
        values = {}
        for name, kind in self._named(asked).items():
            if name in asked.columns:
                value = entity[field_name(name)]
                values[name] = None if value == _UNKNOWN[kind] else value
        return values

    def _named(self, asked: Filter) -> dict[str, FilterKind]:
        names = {field_name(name): name for name in asked.columns}
        return {names.get(field, field): kind for field, kind in self.kinds.items()}


def field_name(column: str) -> str:
    """The field that holds a column, whatever the column's name."""
    if column in (ITEM_ID, "language"):  # as in collections of yesterday
        return column
    name = f"c_{identifier(column)}"
    if len(name) > _LONGEST_FIELD:
        return f"c_{hashlib.sha256(column.encode()).hexdigest()}"
    return name


def add_fields(schema: CollectionSchema, columns: pa.Table) -> None:
    """Add a field for each column."""
    for column in columns.column_names:
        kind = kind_of(columns.column(column).type)
        options: dict[str, Any] = {}
        if kind in ("keyword", "keywords"):
            options["max_length"] = MAX_KEYWORD_BYTES
        if kind == "keywords":
            options |= {"element_type": DataType.VARCHAR, "max_capacity": MAX_KEYWORDS}
        schema.add_field(field_name(column), _FIELD_TYPES[kind], **options)


def field_values(columns: pa.Table) -> dict[str, list[Any]]:
    """By field, what is stored of each item."""
    stored = {}
    for name in columns.column_names:
        column = columns.column(name)
        kind = kind_of(column.type)
        values = (column.cast(pa.int64()) if kind == "moment" else column).to_pylist()
        if kind == "keywords":
            values = [[word for word in value or () if word is not None] for value in values]
        stored[field_name(name)] = [_UNKNOWN[kind] if value is None else value for value in values]
    return stored


def best_hits(answers: list[list[Hit]], k: int, asked: Filter) -> Hits:
    """Filter, order by score and row, cut at k."""
    all_ids: list[list[str]] = []
    all_scores: list[np.ndarray] = []
    for answer in answers:
        best = [hit for hit in answer if asked.allows({**hit.values, ITEM_ID: hit.item})]
        best.sort(key=lambda hit: (-hit.score, hit.row))
        all_ids.append([hit.item for hit in best[:k]])
        all_scores.append(np.array([hit.score for hit in best[:k]], dtype=np.float32))
    return all_ids, all_scores


def _having(column: str, kind: FilterKind, values: Sequence[Any]) -> str:
    written = ", ".join(_written(value) for value in values)
    if kind == "keywords":
        return f"array_contains_any({field_name(column)}, [{written}])"
    return f"{field_name(column)} in [{written}]"


def _written(value: Any) -> str:
    return f'"{value.translate(_ESCAPES)}"' if isinstance(value, str) else repr(value)
