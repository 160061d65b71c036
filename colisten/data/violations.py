"""Every way an input table can break the contract, one class each.

    TableError
    ├── TableViolations                     several of the below at once
    └── Violation                           one broken promise: table, column, count, first rows
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
        ├── UnknownItemType             a type that settings do not name
        ├── UnknownSignal               a signal that settings do not name
        ├── ItemTypeMissing             items has no item of a type
        ├── NullTimestamp               an event without a moment
        ├── FutureTimestamp             an event after now
        ├── EarlyTimestamp              an event before 1990
        ├── DateInWrongUnit             a date is off by a thousand or more
        ├── InteractionWithUnknownItem  items does not have the item
        ├── ItemTypeContradiction       items has the item under another type
        ├── LinkOfUnknownItem           items does not have the item
        ├── LinkToItself                an item is linked to itself
        ├── DuplicateLink               two items are linked by one relation more than once
        ├── UnfitRelation               a relation has no name, or one that cannot be used
        ├── ExposureOfUnknownItem       items does not have the item
        ├── PositionOutOfRange          a position is null, zero or negative
        ├── DurationOutOfRange          a duration is negative or longer than a month
        ├── UnknownQuality              a shelf's worth is none of the known words
        ├── EmptyShelfWithItem          an empty shelf shows something
        ├── AgeOutOfRange               an age is negative or 150 and more
        ├── NullMusicVector             a vector is null or empty
        ├── MusicVectorLength           a vector is longer or shorter than most
        ├── NonFiniteMusicVector        a vector holds null, NaN or infinity
        ├── MusicVectorConflict         two vectors of one user at one moment
        ├── TextVectorLength            a text vector is longer or shorter than most
        ├── NonFiniteTextVector         a text vector holds null, NaN or infinity
        ├── UnfitScore                  a popularity is null or not finite
        ├── CutAfterData                the cut lies long after the last event
        ├── NoHistory                   no interaction lies before the cut
        ├── NobodyStarted               nothing of the recommended type is started before the cut
        └── NobodyMeasured              figures are wanted and nobody is there after the cut

All of them end a command with exit code 2, before anything is written.
"""

from __future__ import annotations

from colisten.data.violation import Violation


class FolderMissing(Violation):
    """There is no such folder."""

    says = "does not exist"
    advice = "Name the folder that holds items.parquet and interactions.parquet."


class TableMissing(Violation):
    """A required table has no file."""

    says = "the file is missing"
    advice = "Put it into the folder; docs/tables.md lists its columns."


class TableTwice(Violation):
    """There are two files whose names are nearly that of an optional table."""

    says = "two files may be meant"
    advice = "Give one of them the table's name; docs/tables.md lists them."


class TableNotAFile(Violation):
    """`<table>.parquet` is a folder of part files."""

    says = "is a folder, not a parquet file"
    advice = (
        "Write one file, e.g. COPY (FROM 'table.parquet/**/*.parquet') TO 'one.parquet' in DuckDB, "
        "and put it in the folder's place."
    )


class TableUnreadable(Violation):
    """Not parquet, truncated, or damaged inside."""

    says = "cannot be read as parquet"
    advice = "Write it again as one whole parquet file, not encrypted or compressed as a file."


class TableEmpty(Violation):
    """A required table has no rows."""

    says = "has no rows"
    advice = "Export it again; nothing can be learned without it."


class ColumnMissing(Violation):
    """A required column is absent."""

    says = "the column is missing"
    advice = "Add or rename a column; docs/tables.md lists them."


class ColumnTwice(Violation):
    """A column's name occurs more than once, or two columns may be meant by an optional name."""

    says = "the column occurs more than once"
    advice = "Keep one of them."


class WrongType(Violation):
    """A column holds another kind of value."""

    says = "has the wrong type"
    advice = "Cast it; the message shows how."


class TimestampWithoutZone(Violation):
    """A timestamp column does not say which instant it means."""

    says = "the timestamps have no time zone"
    advice = "Say which zone they are of; the message shows how."


class MomentOutOfRange(Violation):
    """A moment lies beyond the year 294,246, the last that a column of microseconds holds."""

    says = "beyond the year 294,246, the last that a column of microseconds holds"
    advice = "Check seconds against milliseconds; write null where there is no date."


class NullId(Violation):
    """An id is null."""

    says = "null"
    advice = "Fill it in or drop these rows."


class BlankId(Violation):
    """An id is empty or white space."""

    says = "empty or white space"
    advice = "Fill it in or drop these rows."


class LongId(Violation):
    """An id is longer than 65,535 bytes in UTF-8."""

    says = "longer than an id may be"
    advice = "Shorten it in every table, e.g. to a hash of it, or drop these rows."


class DuplicateItem(Violation):
    """An item id occurs more than once."""

    says = "an id that occurs more than once"
    advice = "Keep one row per item; ids must differ between types too."


class DuplicateUser(Violation):
    """A user id occurs more than once in users."""

    says = "an id that occurs more than once"
    advice = "Keep one row per user."


class UnknownItemType(Violation):
    """A type that settings do not name."""

    says = "a type that settings do not name"
    advice = "Name it in data.context_types, map it to a known one or drop these rows."


class UnknownSignal(Violation):
    """A signal that settings do not name."""

    says = "a signal that settings do not name"
    advice = "Name it in data.signals, map it to a known one or drop these rows."


class ItemTypeMissing(Violation):
    """`items` has no item of a type."""

    says = "a type has no items"
    advice = "Add its catalogue, or take the type out of data.context_types."


class NullTimestamp(Violation):
    """An event without a moment."""

    says = "null"
    advice = "Fill in when it happened or drop these rows."


class FutureTimestamp(Violation):
    """An event after now."""

    says = "after now"
    advice = "Correct the clock, zone or unit that wrote them, or drop these rows."


class EarlyTimestamp(Violation):
    """An event before 1990."""

    says = "before 1990, most likely a wrong unit or a default date"
    advice = "Check seconds against milliseconds, and empty dates written as 1970-01-01."


class DateInWrongUnit(Violation):
    """A date is off by a factor of a thousand, a million or a billion."""

    says = "off by a thousand or more, most likely a wrong unit"
    advice = "Check seconds against milliseconds; the message shows how to mend them."


class InteractionWithUnknownItem(Violation):
    """`items` does not have the item of an interaction."""

    says = "an item that items does not have"
    advice = "Add these items to items.parquet (null title allowed) or drop these rows."


class ItemTypeContradiction(Violation):
    """`items` has the item under another type."""

    says = "items has this item under another type"
    advice = "Take the item_type from items.parquet, or correct it there."


class LinkOfUnknownItem(Violation):
    """`items` does not have an item of a link."""

    says = "an item that items does not have"
    advice = "Add these items to items.parquet (null title allowed) or drop these rows."


class LinkToItself(Violation):
    """An item is linked to itself."""

    says = "an item that is linked to itself"
    advice = "Drop these rows."


class DuplicateLink(Violation):
    """Two items are linked by one relation more than once, in the same order."""

    says = "a link that occurs more than once"
    advice = "Keep one row per pair and relation, the one with the earliest since."


class UnfitRelation(Violation):
    """A relation is null, too long, has characters that no name has, or is named `co_listened`."""

    says = "no name of a relation"
    advice = "Give it a name of 1 to 64 characters, other than co_listened, or drop these rows."


class ExposureOfUnknownItem(Violation):
    """`items` does not have the item that was shown."""

    says = "an item that items does not have"
    advice = "Add these items to items.parquet (null title allowed) or drop these rows."


class PositionOutOfRange(Violation):
    """A position is null, zero or negative."""

    says = "not a position; the first place on a shelf is 1"
    advice = "Count positions from 1."


class DurationOutOfRange(Violation):
    """A duration is negative, not finite or longer than a month."""

    says = "no duration of one event in milliseconds"
    advice = "Write milliseconds (not seconds since 1970), null where unknown."


class UnknownQuality(Violation):
    """What a shelf was worth is none of the known words."""

    says = "not what a shelf can be worth"
    advice = "Write personal, unknown, popular, planned or empty, null where it is not known."


class EmptyShelfWithItem(Violation):
    """A shelf is called empty and shows something."""

    says = "an empty shelf with an item or a position"
    advice = "Write one row without either for an empty shelf, and another word for any other."


class AgeOutOfRange(Violation):
    """An age is negative or 150 and more."""

    says = "not an age in years"
    advice = "Write years (not a birth year), null where unknown."


class NullMusicVector(Violation):
    """A vector is null or empty."""

    says = "null or empty"
    advice = "Drop these rows: a user without a vector needs none."


class MusicVectorLength(Violation):
    """A vector is longer or shorter than most."""

    says = "of another length than most"
    advice = "Write vectors of one model only, all of one length."


class NonFiniteMusicVector(Violation):
    """A vector holds null, NaN, infinity or a value beyond 32-bit floats."""

    says = "holds null, NaN or infinity"
    advice = "Compute these vectors again or drop these rows."


class MusicVectorConflict(Violation):
    """Two different vectors of one user at one moment."""

    says = "another vector of the same user at the same moment"
    advice = "Keep one vector per user and moment."


class TextVectorLength(Violation):
    """A text vector of your own is longer or shorter than most."""

    says = "of another length than most"
    advice = "Write vectors of one text model only, null where an item has none."


class NonFiniteTextVector(Violation):
    """A text vector of your own holds null, NaN, infinity or a value beyond 32-bit floats."""

    says = "holds null, NaN or infinity"
    advice = "Compute these vectors again, or write null where an item has none."


class UnfitScore(Violation):
    """A popularity of your own is null, NaN or infinite."""

    says = "no finite number"
    advice = "Drop these rows: an item without a score comes last."


class NoHistory(Violation):
    """No interaction lies before the cut."""

    says = "no interaction lies before the cut"
    advice = "Choose a later cut."


class CutAfterData(Violation):
    """The cut lies long after the last event, so that nothing recent is left to learn from."""

    says = "the cut lies long after the last event"
    advice = "Choose an earlier cut, or allow it with --allow-late-cut."


class NobodyStarted(Violation):
    """No item of the recommended type is started before the cut."""

    says = "nobody starts an item of the recommended type before the cut"
    advice = "Choose a later cut, another type by --target, or more data.start_signals."


class NobodyMeasured(Violation):
    """Figures after the cut are wanted, and no user of before it starts anything new there."""

    says = "no user with events before the cut starts a new item in the window after it"
    advice = "Choose an earlier cut or a longer window."
