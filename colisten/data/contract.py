"""The tables that colisten takes in, as data: docs/tables.md, the checks and the writers read it.

One folder holds `<table>.parquet` for each table. `items` and `interactions` must be there;
`users`, `music`, `links` and `exposures` may be missing. Columns that are not named here are
allowed and ignored. A column of Arrow's null type (no value at all) fits every kind: whether values
are demanded is a matter of the row checks, not of the type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from colisten.settings.data import DataSettings, FilterKind

MAX_AGE = 150
"""Ages from this on are taken for a birth year or an error."""

MOST_MILLISECONDS = 31 * 24 * 3_600_000
"""Longest that one event may have lasted: a month. More is another unit."""

QUALITIES = ("personal", "unknown", "popular", "planned", "empty")
"""What a shelf can be worth: made for this user; popular since nothing is known of the user;
popular for want of something; popular as planned for everybody of an arm; without a title."""
EMPTY = QUALITIES[-1]
"""Such a shelf is a row without item and position."""


@dataclass(frozen=True)
class Kind:
    """What the values of a column are.

    Attributes:
        words: The kind in words, for messages and docs.
        arrow: Type in the files that colisten writes.
        sql: DuckDB type that every accepted Arrow type is cast to when checking.
        accepts: Whether an input column of this Arrow type holds such values.
        wanted: What to write, without the full stop.
    """

    words: str
    arrow: pa.DataType
    sql: str
    accepts: Callable[[pa.DataType], bool]
    wanted: str


@dataclass(frozen=True)
class Column:
    """One column of one table; `required` speaks of the column, not of its values, and `written`
    of the files that colisten writes: a report may read what no history needs."""

    name: str
    kind: Kind
    required: bool
    meaning: str
    written: bool = True


@dataclass(frozen=True)
class Table:
    """One table; `required` speaks of the file."""

    name: str
    required: bool
    meaning: str
    columns: tuple[Column, ...]

    @property
    def file_name(self) -> str:
        """`<table>.parquet`."""
        return f"{self.name}.parquet"

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema in the files that colisten writes."""
        return pa.schema(
            [(column.name, column.kind.arrow) for column in self.columns if column.written]
        )

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_text_list(kind: pa.DataType) -> bool:
    return _is_list(kind) and (pa.types.is_null(kind.value_type) or _is_text(kind.value_type))


def _is_vector(kind: pa.DataType) -> bool:
    return _is_list(kind) and bool(
        pa.types.is_null(kind.value_type) or pa.types.is_floating(kind.value_type)
    )


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind)) and kind.tz is not None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


TEXT = Kind("text", pa.string(), "VARCHAR", _is_text, "Cast it to text")
TEXTS = Kind(
    "list of text",
    pa.list_(pa.string()),
    "VARCHAR[]",
    _is_text_list,
    "Write one list of strings per row; an empty list where there is none",
)
MOMENT = Kind(
    "UTC timestamp",
    pa.timestamp("us", tz="UTC"),
    "TIMESTAMPTZ",
    _is_moment,
    "Cast it to a timestamp with a zone",
)
NUMBER = Kind("number", pa.float32(), "DOUBLE", _is_number, "Cast it to a number")
AMOUNT = Kind("number", pa.float64(), "DOUBLE", _is_number, "Cast it to a number")
WHOLE = Kind(
    "whole number",
    pa.int32(),
    "BIGINT",
    lambda kind: bool(pa.types.is_integer(kind)),
    "Cast it to a whole number",
)
VECTOR = Kind(
    "list of floats",
    pa.list_(pa.float32()),
    "DOUBLE[]",
    _is_vector,
    "Write one list of 32-bit floats per row, all of one length",
)

ITEMS = Table(
    "items",
    True,
    "The catalogue: one row per item.",
    (
        Column("item_id", TEXT, True, "Unique, never null or blank."),
        Column(
            "item_type",
            TEXT,
            True,
            "data.target_type or one of data.context_types (audiobook and podcast, unless settings "
            "say otherwise); each must occur.",
        ),
        Column("title", TEXT, True, "May be null or blank, even for a whole type."),
        Column("description", TEXT, False, "Blurb; null or blank where there is none."),
        Column("language", TEXT, False, "Language tag such as en or pt-BR; null where unknown."),
        Column("genres", TEXTS, False, "Genre names, most telling first."),
        Column(
            "published_at",
            MOMENT,
            False,
            "When the item appeared; null where unknown. May lie ahead: such an item joins "
            "the catalogue once it is out.",
        ),
    ),
)
USERS = Table(
    "users",
    False,
    "Who listens. A user of another table who is missing here is still served.",
    (
        Column("user_id", TEXT, True, "Unique, never null or blank."),
        Column("country", TEXT, False, "Country code such as SE; null where unknown."),
        Column("age", NUMBER, False, f"Years, from 0 to below {MAX_AGE}; null where unknown."),
    ),
)
MUSIC = Table(
    "music",
    False,
    "Music taste vectors, computed elsewhere; a user may have one per moment.",
    (
        Column("user_id", TEXT, True, "Never null or blank."),
        Column("music_vector", VECTOR, True, "Finite, of one length in the whole table."),
        Column("timestamp", MOMENT, True, "When the vector was known."),
    ),
)
INTERACTIONS = Table(
    "interactions",
    True,
    "What users did. Exact duplicates are dropped.",
    (
        Column("user_id", TEXT, True, "Never null or blank."),
        Column("item_id", TEXT, True, "An item of `items`."),
        Column("item_type", TEXT, True, "The item's type, as in `items`."),
        Column(
            "signal",
            TEXT,
            True,
            "One of data.signals: stream, follow, preview or intent_to_pay, unless settings say "
            "otherwise.",
        ),
        Column("timestamp", MOMENT, True, "When it happened."),
        Column(
            "duration_ms",
            AMOUNT,
            False,
            "How long was listened, in milliseconds; null where unknown. Experiment reports alone "
            "read it.",
            written=False,
        ),
    ),
)
LINKS = Table(
    "links",
    False,
    "What joins two items beside their listeners, such as one author or one series. It tells of a "
    "title whom nobody has heard yet.",
    (
        Column("item_id", TEXT, True, "An item of `items`."),
        Column("other_id", TEXT, True, "Another item of `items`."),
        Column("relation", TEXT, True, "What joins them: any name of up to 64 characters."),
        Column("since", MOMENT, False, "When it came to be known; null where it always was."),
    ),
)
TEXT_VECTORS = Table(
    "text_vectors",
    False,
    "Text vectors of your own: where there are any, no text is encoded. Items without one count as "
    "without text, and ids that `items` does not have are left out.",
    (
        Column("item_id", TEXT, True, "Unique, never null or blank."),
        Column("vector", VECTOR, True, "Finite, of one length; null or empty where there is none."),
    ),
)
POPULARITY = Table(
    "popularity",
    False,
    "Popularity of your own: where there is any, popular lists and the baseline go by it instead "
    "of by counted starts, items without a score last.",
    (
        Column("item_id", TEXT, True, "Never null or blank."),
        Column("score", AMOUNT, True, "Finite; a larger one comes first."),
        Column("since", MOMENT, False, "When it came to be known; null where it always was."),
    ),
)
EXPOSURES = Table(
    "exposures",
    False,
    "What users were shown, for experiment reports. Exact duplicates are dropped.",
    (
        Column("request_id", TEXT, True, "One per answered request; never null or blank."),
        Column("user_id", TEXT, True, "Never null or blank."),
        Column("variant", TEXT, True, "Experiment arm; never null or blank."),
        Column("release_id", TEXT, True, "Release that answered; null for another system's."),
        Column("surface", TEXT, True, "Where it was shown, e.g. home; may be null."),
        Column("item_id", TEXT, True, "An item of `items`; null where the shelf was empty."),
        Column("position", WHOLE, True, "Place on the shelf, from 1; null where it was empty."),
        Column("timestamp", MOMENT, True, "When it was shown."),
        Column(
            "quality",
            TEXT,
            False,
            f"What the shelf was worth: {', '.join(QUALITIES)}; null where unknown. Experiment "
            "reports alone read it.",
            written=False,
        ),
    ),
)

FILTERED: dict[FilterKind, Kind] = {
    "keyword": TEXT,
    "keywords": TEXTS,
    "number": AMOUNT,
    "moment": MOMENT,
}
"""What the values of a column to filter by are, by its kind in `data.filterable`."""

TABLES: tuple[Table, ...] = (
    ITEMS,
    USERS,
    MUSIC,
    INTERACTIONS,
    LINKS,
    TEXT_VECTORS,
    POPULARITY,
    EXPOSURES,
)


def tables_of(data: DataSettings) -> tuple[Table, ...]:
    """The tables with the columns that settings add."""
    further = [
        Column(name, TEXT, True, "A category; null where unknown.") for name in data.user_categories
    ] + [Column(name, NUMBER, True, "A number; null where unknown.") for name in data.user_numbers]
    known = {column.name for column in ITEMS.columns}
    filtered = [
        Column(name, FILTERED[kind], True, "What answers can be filtered by; null where unknown.")
        for name, kind in data.filterable.items()
        if name not in known
    ]
    if data.text_vectors is not None:
        meaning = "Text vectors of your own, of one length; null where there is none."
        filtered.append(Column(data.text_vectors, VECTOR, True, meaning))
    more = {ITEMS.name: filtered, USERS.name: further}
    return tuple(
        replace(table, columns=(*table.columns, *more.get(table.name, ()))) for table in TABLES
    )
