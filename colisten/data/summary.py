"""What prepared tables hold, as their summary.json says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from colisten.errors import TableError
from colisten.files import combined_digest
from colisten.json_files import read_mapping, write_json

SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class TableSummary:
    """What `history/` holds; also its `summary.json`. Nothing here looks past the cut.

    Attributes:
        cut: The cut, ISO 8601 in UTC.
        rows: Rows per file of `history/`.
        items: Items per item type.
        duplicates: Interactions before the cut that were dropped as exact duplicates.
        digests: SHA-256 per file of `history/`, without `summary.json` itself.
    """

    cut: str
    rows: dict[str, int]
    items: dict[str, int]
    duplicates: int
    digests: dict[str, str]

    @property
    def digest(self) -> str:
        """One SHA-256 over all files of `history/`."""
        return combined_digest(self.digests)

    def write(self, history: Path) -> None:
        """Write the summary of a history folder."""
        write_json(history / SUMMARY_FILE, self, sort=True)

    @classmethod
    def read(cls, history: Path) -> TableSummary:
        """Read the summary of a history folder.

        Raises:
            TableError: There is none, or it is not one.
        """
        file = history / SUMMARY_FILE
        try:
            return cls(**read_mapping(file))
        except (OSError, TypeError, ValueError) as error:
            raise TableError(
                f"Cannot read {file}: {error}.", "Prepare the tables again."
            ) from error
