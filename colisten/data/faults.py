"""Every way an input table can break the contract, one class each.

    TableError
    ├── TableFaults                     several of the below at once
    └── Fault                           one broken promise: table, column, count, first rows
        ├── FolderMissing               there is no such folder
        ├── TableMissing                a required table has no file
        ├── TableTwice                  two files may be meant by an optional table
        ├── TableNotAFile               `<table>.parquet` is a folder of part files
        ├── TableUnreadable             not parquet, truncated, or damaged inside
        ├── TableEmpty                  a required table has no rows
        ├── ColumnMissing               a required column is absent
        ├── ColumnTwice                 a column's name occurs, or may be meant, twice
        ├── WrongType                   a column holds another kind of value
        ├── TimestampWithoutZone        a timestamp column does not say which instant it means
        ├── MomentOutOfRange            a moment lies beyond what microseconds hold
        ├── NullId                      an id is null
        ├── BlankId                     an id is empty or white space
        ├── LongId                      an id is longer than the stores hold
        ├── DuplicateItem               an item id occurs more than once
        ├── DuplicateUser               a user id occurs more than once in users
        ├── UnknownItemType             neither audiobook nor podcast
        ├── UnknownSignal               not one of the four signals
        ├── ItemTypeMissing             items has no item of a type
        ├── NullTimestamp               an event without a moment
        ├── FutureTimestamp             an event after now
        ├── EarlyTimestamp              an event before 1990
        ├── PublishedInWrongUnit        a publishing date is off by a thousand or more
        ├── InteractionWithUnknownItem  items does not have the item
        ├── ItemTypeContradiction       items has the item under another type
        ├── ExposureOfUnknownItem       items does not have the item
        ├── PositionOutOfRange          a position is null, zero or negative
        ├── AgeOutOfRange               an age is negative or 150 and more
        ├── NullMusicVector             a vector is null or empty
        ├── MusicVectorLength           a vector is longer or shorter than most
        ├── NonFiniteMusicVector        a vector holds null, NaN or infinity
        ├── MusicVectorConflict         two vectors of one user at one moment
        ├── NoHistory                   no interaction lies before the cut
        ├── NobodyStreamed              nothing of the recommended type is streamed before the cut
        └── NobodyMeasured              figures are wanted and nobody is there after the cut

All of them end a command with exit code 2, before anything is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colisten.errors import TableError

SHOWN_ROWS = 5
_SHOWN_CHARS = 60


@dataclass(frozen=True)
class BadRow:
    """One offending row.

    Attributes:
        number: Row number in the file, from 0.
        values: What it holds in the columns that matter, as text; None where null.
    """

    number: int
    values: dict[str, str | None]

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={_short(value)}" for name, value in self.values.items())
        return f"row {self.number}: {shown}"


class Fault(TableError):
    """One broken promise of one table.

    Args:
        table: Table name; "" where the folder itself is at fault.
        column: Column name; None where the whole table is at fault.
        count: Rows at fault; 0 where no row is.
        rows: The first of them, at most `SHOWN_ROWS`.
        detail: What is wrong, completing the sentence that starts with the place; default the
            class's own `says`.
        do: What to do, default the class's own `advice`.
    """

    says = "breaks the contract"
    advice = ""

    def __init__(
        self,
        table: str,
        column: str | None = None,
        *,
        count: int = 0,
        rows: Sequence[BadRow] = (),
        detail: str = "",
        do: str = "",
    ) -> None:
        self.table = table
        self.column = column
        self.count = count
        self.rows = tuple(rows[:SHOWN_ROWS])
        self.detail = detail or self.says
        what = f"{self.place}: {self._counted()}{self.detail}."
        if self.rows:
            what += f" First: {'; '.join(str(row) for row in self.rows)}."
        super().__init__(what, do or self.advice)

    @property
    def kind(self) -> str:
        """The fault's class name."""
        return type(self).__name__

    @property
    def place(self) -> str:
        """`table.column`, `table` or `folder`."""
        return ".".join(part for part in (self.table, self.column) if part) or "folder"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """This fault alone, so that one fault and several are handled alike."""
        return (self,)

    def of_file(self, file: Path) -> Fault:
        """The same fault, told of a file that need not bear the table's name."""
        if str(file) in self.detail:
            return self
        return type(self)(
            self.table,
            self.column,
            count=self.count,
            rows=self.rows,
            detail=f"{self.detail} (in {file})",
            do=self.do,
        )

    def to_dict(self) -> dict[str, Any]:
        """The fault as plain values, for JSON."""
        return {
            "fault": self.kind,
            "table": self.table,
            "column": self.column,
            "count": self.count,
            "rows": [{"row": row.number, **row.values} for row in self.rows],
            "what": self.detail,
            "do": self.do,
        }

    def _counted(self) -> str:
        if not self.count:
            return ""
        return f"{self.count:,} row{'' if self.count == 1 else 's'}: "


class TableFaults(TableError):
    """Several faults at once, in the order of the tables.

    Attributes:
        faults: Each of them; `str()` gives one line per fault.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        lines = "".join(f"\n  {fault.kind}: {fault}" for fault in self.faults)
        super().__init__(f"{len(self.faults)} faults in the input tables:{lines}")


class FolderMissing(Fault):
    """There is no such folder."""

    says = "does not exist"
    advice = "Name the folder that holds items.parquet and interactions.parquet."


class TableMissing(Fault):
    """A required table has no file."""

    says = "the file is missing"
    advice = "Put it into the folder; docs/tables.md lists its columns."


class TableTwice(Fault):
    """There are two files whose names are nearly that of an optional table."""

    says = "two files may be meant"
    advice = "Give one of them the table's name; docs/tables.md lists them."


class TableNotAFile(Fault):
    """`<table>.parquet` is a folder of part files."""

    says = "is a folder, not a parquet file"
    advice = (
        "Write one file, e.g. COPY (FROM 'table.parquet/**/*.parquet') TO 'one.parquet' in DuckDB, "
        "and put it in the folder's place."
    )


class TableUnreadable(Fault):
    """Not parquet, truncated, or damaged inside."""

    says = "cannot be read as parquet"
    advice = "Write it again as one whole parquet file, not encrypted or compressed as a file."


class TableEmpty(Fault):
    """A required table has no rows."""

    says = "has no rows"
    advice = "Export it again; nothing can be learned without it."


class ColumnMissing(Fault):
    """A required column is absent."""

    says = "the column is missing"
    advice = "Add or rename a column; docs/tables.md lists them."


class ColumnTwice(Fault):
    """A column's name occurs more than once, or two columns may be meant by an optional name."""

    says = "the column occurs more than once"
    advice = "Keep one of them."


class WrongType(Fault):
    """A column holds another kind of value."""

    says = "has the wrong type"
    advice = "Cast it; the message shows how."


class TimestampWithoutZone(Fault):
    """A timestamp column does not say which instant it means."""

    says = "the timestamps have no time zone"
    advice = "Say which zone they are of; the message shows how."


class MomentOutOfRange(Fault):
    """A moment lies beyond the year 294,246, the last that a column of microseconds holds."""

    says = "beyond the year 294,246, the last that a column of microseconds holds"
    advice = "Check seconds against milliseconds; write null where there is no date."


class NullId(Fault):
    """An id is null."""

    says = "null"
    advice = "Fill it in or drop these rows."


class BlankId(Fault):
    """An id is empty or white space."""

    says = "empty or white space"
    advice = "Fill it in or drop these rows."


class LongId(Fault):
    """An id is longer than 65,535 bytes in UTF-8."""

    says = "longer than an id may be"
    advice = "Shorten it in every table, e.g. to a hash of it, or drop these rows."


class DuplicateItem(Fault):
    """An item id occurs more than once."""

    says = "an id that occurs more than once"
    advice = "Keep one row per item; ids must differ between audiobooks and podcasts too."


class DuplicateUser(Fault):
    """A user id occurs more than once in users."""

    says = "an id that occurs more than once"
    advice = "Keep one row per user."


class UnknownItemType(Fault):
    """Neither audiobook nor podcast."""

    says = "neither audiobook nor podcast"
    advice = "Map it to one of the two (lower case) or drop these rows."


class UnknownSignal(Fault):
    """Not one of the four signals."""

    says = "not one of stream, follow, preview, intent_to_pay"
    advice = "Map it to one of the four (lower case) or drop these rows."


class ItemTypeMissing(Fault):
    """`items` has no item of a type."""

    says = "a type has no items"
    advice = "Add its catalogue: both audiobooks and podcasts are needed."


class NullTimestamp(Fault):
    """An event without a moment."""

    says = "null"
    advice = "Fill in when it happened or drop these rows."


class FutureTimestamp(Fault):
    """An event after now."""

    says = "after now"
    advice = "Correct the clock, zone or unit that wrote them, or drop these rows."


class EarlyTimestamp(Fault):
    """An event before 1990."""

    says = "before 1990, most likely a wrong unit or a default date"
    advice = "Check seconds against milliseconds, and empty dates written as 1970-01-01."


class PublishedInWrongUnit(Fault):
    """A publishing date is off by a factor of a thousand, a million or a billion."""

    says = "off by a thousand or more, most likely a wrong unit"
    advice = "Check seconds against milliseconds; the message shows how to mend them."


class InteractionWithUnknownItem(Fault):
    """`items` does not have the item of an interaction."""

    says = "an item that items does not have"
    advice = "Add these items to items.parquet (null title allowed) or drop these rows."


class ItemTypeContradiction(Fault):
    """`items` has the item under another type."""

    says = "items has this item under another type"
    advice = "Take the item_type from items.parquet, or correct it there."


class ExposureOfUnknownItem(Fault):
    """`items` does not have the item that was shown."""

    says = "an item that items does not have"
    advice = "Add these items to items.parquet (null title allowed) or drop these rows."


class PositionOutOfRange(Fault):
    """A position is null, zero or negative."""

    says = "not a position; the first place on a shelf is 1"
    advice = "Count positions from 1."


class AgeOutOfRange(Fault):
    """An age is negative or 150 and more."""

    says = "not an age in years"
    advice = "Write years (not a birth year), null where unknown."


class NullMusicVector(Fault):
    """A vector is null or empty."""

    says = "null or empty"
    advice = "Drop these rows: a user without a vector needs none."


class MusicVectorLength(Fault):
    """A vector is longer or shorter than most."""

    says = "of another length than most"
    advice = "Write vectors of one model only, all of one length."


class NonFiniteMusicVector(Fault):
    """A vector holds null, NaN, infinity or a value beyond 32-bit floats."""

    says = "holds null, NaN or infinity"
    advice = "Compute these vectors again or drop these rows."


class MusicVectorConflict(Fault):
    """Two different vectors of one user at one moment."""

    says = "another vector of the same user at the same moment"
    advice = "Keep one vector per user and moment."


class NoHistory(Fault):
    """No interaction lies before the cut."""

    says = "no interaction lies before the cut"
    advice = "Choose a later cut."


class NobodyStreamed(Fault):
    """No item of the recommended type is streamed before the cut."""

    says = "nobody streams an item of the recommended type before the cut"
    advice = "Choose a later cut, or recommend the other type with --target."


class NobodyMeasured(Fault):
    """Figures after the cut are wanted, and no user of before it streams anything new there."""

    says = "no user with events before the cut streams a new item in the window after it"
    advice = "Choose an earlier cut or a longer window."


def _short(value: str | None) -> str:
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 2]}…'"
