"""Figures of a release's evaluation on the window before its cut, asked for by name.

A manifest keeps its table as JSON values, and one of an older version may lack what today's has:
whatever is not there is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from colisten.ranking.rankers import SUBJECT

MRR = "MRR"
ALL = "all"


@dataclass(frozen=True)
class Figure:
    """A value with its interval, where there is one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


@dataclass(frozen=True)
class Gap(Figure):
    """Subject minus another model on the same users.

    Attributes:
        p_test: Of the exact test, where there is one.
    """

    p_test: float | None = None

    @property
    def above(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low is not None and self.low > 0


class Backtest:
    """An evaluation table as JSON values (`EvaluationTable.model_dump`).

    Args:
        table: Of any version.
    """

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = table
        self._rows = {
            (row["model"], row["slice"]): row
            for row in (*table.get("rows", ()), *table.get("finer", ()))
        }
        self._gaps = {
            (row["against"], row["metric"], row["slice"]): row
            for row in (*table.get("differences", ()), *table.get("finer_differences", ()))
        }
        self.subject = str(table.get("subject", SUBJECT))
        self.k = int(table.get("k", 10))
        self.confidence = float(table.get("confidence", 0.95))

    @property
    def hits(self) -> str:
        """Name of the hit rate."""
        return f"HR@{self.k}"

    @property
    def models(self) -> tuple[str, ...]:
        """Those measured, in order."""
        return tuple(dict.fromkeys(model for model, _ in self._rows))

    @property
    def slices(self) -> tuple[str, ...]:
        """Those measured, in order."""
        return tuple(dict.fromkeys(part for _, part in self._rows))

    def users(self, part: str = ALL) -> int:
        """Users with a target in a slice; 0 where it was not measured."""
        users = self._table.get("users", {})
        if isinstance(users, Mapping) and part in users:
            return int(users[part])
        return next((int(row["users"]) for (_, name), row in self._rows.items() if name == part), 0)

    def figure(self, model: str, metric: str, part: str = ALL) -> Figure | None:
        """One measure of one model on one slice."""
        measure = self._rows.get((model, part), {}).get("metrics", {}).get(metric)
        if measure is None or measure["value"] is None:
            return None
        return Figure(float(measure["value"]), measure["low"], measure["high"])

    def gap(self, against: str, metric: str, part: str = ALL) -> Gap | None:
        """The subject minus another model."""
        row = self._gaps.get((against, metric, part))
        if row is None:
            return None
        return Gap(float(row["value"]), row["low"], row["high"], row.get("p_test"))

    def best(self, models: Iterable[str], metric: str, part: str = ALL) -> str | None:
        """The one of some models with the highest value; of equal ones the first."""
        found = {model: self.figure(model, metric, part) for model in models}
        known = {model: figure.value for model, figure in found.items() if figure is not None}
        return max(known, key=lambda model: known[model]) if known else None
