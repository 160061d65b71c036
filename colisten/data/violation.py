"""One broken promise of an input table, and several at once; the promises are in `violations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colisten.errors import TableError

SHOWN_ROWS = 5
_SHOWN_CHARS = 60
# Who and when: a row's number finds it for whoever has the file, and tells nobody else.
_USER, _MOMENT = "user_id", "timestamp"
WITHHELD = "…"


@dataclass(frozen=True)
class BadRow:
    """One offending row.

    Attributes:
        number: Row number in the file, from 0.
        values: What it holds in the columns that matter, as text; None where null.
    """

    number: int
    values: dict[str, str | None]

    def told(self, column: str | None, *, ids: bool = False) -> dict[str, str | None]:
        """What it holds as others may see it: `WITHHELD` for who it was and when.

        Args:
            column: At fault, whose moment is told.
            ids: Tell everything.
        """
        return {
            name: value if ids or _is_told(name, value, column) else WITHHELD
            for name, value in self.values.items()
        }

    def text(self, column: str | None) -> str:
        """As a sentence has it."""
        told = self.told(column).items()
        shown = ", ".join(
            f"{name}={value if value is WITHHELD else _short(value)}" for name, value in told
        )
        return f"row {self.number}: {shown}"


class Violation(TableError):
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
            what += f" First: {'; '.join(row.text(column) for row in self.rows)}."
        super().__init__(what, do or self.advice)

    @property
    def kind(self) -> str:
        """The violation's class name."""
        return type(self).__name__

    @property
    def place(self) -> str:
        """`table.column`, `table` or `folder`."""
        return ".".join(part for part in (self.table, self.column) if part) or "folder"

    @property
    def violations(self) -> tuple[Violation, ...]:
        """This violation alone, so that one violation and several are handled alike."""
        return (self,)

    def of_file(self, file: Path) -> Violation:
        """The same violation, told of a file that need not bear the table's name."""
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

    def to_dict(self, *, ids: bool = False) -> dict[str, Any]:
        """The violation as plain values, for JSON; `ids` as of `BadRow.told`."""
        return {
            "violation": self.kind,
            "table": self.table,
            "column": self.column,
            "count": self.count,
            "rows": [{"row": row.number, **row.told(self.column, ids=ids)} for row in self.rows],
            "what": self.detail,
            "do": self.do,
        }

    def _counted(self) -> str:
        if not self.count:
            return ""
        return f"{self.count:,} row{'' if self.count == 1 else 's'}: "


class TableViolations(TableError):
    """Several violations at once, in the order of the tables.

    Attributes:
        violations: Each of them; `str()` gives one line per violation.
    """

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        lines = "".join(f"\n  {violation.kind}: {violation}" for violation in self.violations)
        super().__init__(f"{len(self.violations)} violations in the input tables:{lines}")


def _is_told(name: str, value: str | None, column: str | None) -> bool:
    if name == _USER:
        return value is None or not value.strip()
    return name != _MOMENT or name == column


def _short(value: str | None) -> str:
    if value is None:
        return "null"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 2]}…'"
