"""Which file of a folder is which table; one that is nearly named so does not vanish silently.

As with columns (`colisten.data.headers`): a required table under another spelling is refused with
the rename that mends it, an optional one is read with a notice, and two that may be meant are
refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from colisten.data.contract import TABLES, Table
from colisten.data.spelling import folded, shown
from colisten.data.violation import Violation
from colisten.data.violations import TableMissing, TableTwice

_ENDINGS = (".parquet", ".parq", ".pq")


@dataclass(frozen=True)
class TableFile:
    """Where a table is.

    Attributes:
        path: The file; None where there is none that can be read.
        violation: Why not, where that is a violation.
        notice: What to rename or convert; "" where nothing is amiss.
    """

    path: Path | None = None
    violation: Violation | None = None
    notice: str = ""


def find_table(folder: Path, table: Table) -> TableFile:
    """Look for the file of a table."""
    file = folder / table.file_name
    if file.exists() or file.is_symlink():  # A link to nothing is a table that cannot be read.
        return TableFile(file)
    near = [path for path in sorted(folder.iterdir()) if means(path, table)]
    readable = [path for path in near if path.suffix.casefold() in _ENDINGS and path.is_file()]
    spelt = " or ".join(shown(path.name) for path in readable or near)
    rename = f"Rename {spelt} to '{table.file_name}'"
    if near and not readable:
        rename = f"Write {spelt} as one parquet file named '{table.file_name}'"
        if all(path.is_dir() for path in near):
            rename = f"Rename the folder {spelt} to '{table.name}', if its files are the table"
    if table.required:
        detail = f"the file {file} is missing"
        do = f"{rename}." if near else ""
        return TableFile(violation=TableMissing(table.name, detail=detail, do=do))
    if len(readable) > 1:
        detail = f"{' and '.join(shown(path.name) for path in readable)} may each be meant"
        return TableFile(violation=TableTwice(table.name, detail=detail, do=f"{rename}."))
    if readable:
        notice = f"There is no {table.file_name}; {spelt} is read as it. {rename}."
        return TableFile(readable[0], notice=notice)
    if near:
        return TableFile(notice=f"There is no {table.file_name}; {spelt} is not read. {rename}.")
    return TableFile()


def means(path: Path, table: Table) -> bool:
    """Whether a name is nearly a table's, and no table's."""
    if path.name in {known.file_name for known in TABLES}:
        return False
    stem = folded(path.name.split(".")[0]).rstrip("s")
    return stem == table.name.rstrip("s")
