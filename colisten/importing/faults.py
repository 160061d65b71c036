"""Every way an export can fail to become tables, one class each, told as violations are.

    Violation
    ├── SourceMissing       no file where the mapping looks
    ├── SourceUnreadable    a file is none of CSV, JSON lines or parquet, or damaged
    ├── UnreadableLine      a line has more or fewer columns than its header
    ├── NoSuchColumn        the mapping names a column that the files do not have
    ├── TwoForOne           two columns are mapped to one
    ├── NothingMapped       no column is mapped to a required one
    ├── UnmappedValue       a value is none of ours and the mapping does not say what it means
    ├── UnreadableMoment    a time that cannot be read as one
    ├── ZoneMissing         a time that names no zone, and the mapping does not either
    └── UnreadableValue     a value that is no number, list or vector where one is wanted

Exit code 2, and nothing is written. `table` and `column` are ours; rows count from 0 in their file.
"""

from __future__ import annotations

from colisten.data.violation import Violation


class ImportFault(Violation):
    """One reason why an export does not become a table."""


class SourceMissing(ImportFault):
    """No file where the mapping looks."""

    advice = "Correct `file`: a file, a folder or a pattern, relative to the mapping."


class SourceUnreadable(ImportFault):
    """A file is none of CSV, JSON lines or parquet, or damaged."""

    advice = "Export it again as CSV, JSON lines or parquet; .gz and .zst are read."


class UnreadableLine(ImportFault):
    """A line has more or fewer columns than its header."""

    advice = "Quote values that hold the delimiter, or name another `delimiter`."


class NoSuchColumn(ImportFault):
    """The mapping names a column that the files do not have."""


class TwoForOne(ImportFault):
    """Two columns are mapped to one."""

    advice = "Keep one of them; map the other to null."


class NothingMapped(ImportFault):
    """No column is mapped to a required one."""


class UnmappedValue(ImportFault):
    """A value is none of ours and the mapping does not say what it means."""


class UnreadableMoment(ImportFault):
    """A time that cannot be read as one."""

    says = "not a time that can be read"


class ZoneMissing(ImportFault):
    """A time that names no zone, and the mapping does not either."""

    says = "a time without a zone, so it does not say which instant it means"
    advice = (
        "Say which zone they are of: `timezone: UTC` at the top of the mapping, or another such as "
        "`timezone: Europe/Stockholm`."
    )


class UnreadableValue(ImportFault):
    """A value that is no number, list or vector where one is wanted."""
