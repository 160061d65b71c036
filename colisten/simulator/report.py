"""What a world looks like: its own figures beside the published ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from rich.table import Table

from colisten.simulator.settings import WorldSettings


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        key: Stable name.
        label: What a reader sees.
        ours: Measured from the written tables; None where too little was there to measure.
        paper: As published: a number, or words where only a direction is; "" where nothing is.
        target: The published number to compare with, or None.
        how: How it is measured.
        unit: "share", "odds" (change of odds), "ratio" or "count".
    """

    key: str
    label: str
    ours: float | None
    paper: str
    target: float | None
    how: str
    unit: str

    @property
    def group(self) -> str:
        """Figures of one group share a line."""
        return self.label.partition(":")[0]

    @property
    def shown(self) -> str:
        """Our value as a reader sees it."""
        if self.ours is None or math.isnan(self.ours):
            return "too few events"
        if self.unit == "share":
            return f"{100 * self.ours:.1f} %"
        if self.unit == "odds":
            return f"{100 * self.ours:+.0f} %"
        if self.unit == "ratio":
            return f"{self.ours:.2f} x"
        return f"{self.ours:,.0f}"


@dataclass(frozen=True)
class WorldReport:
    """Figures of one simulated world; renders as a rich table."""

    settings: WorldSettings
    figures: tuple[Figure, ...]

    @property
    def cut(self) -> date:
        """Suggested cut."""
        return self.settings.cut

    @property
    def window_days(self) -> int:
        """Days between the suggested cut and the end of the world."""
        return self.settings.window_days

    def __getitem__(self, key: str) -> float:
        """Our value of a figure; NaN where it could not be measured. KeyError if unknown."""
        for figure in self.figures:
            if figure.key == key:
                return math.nan if figure.ours is None else figure.ours
        raise KeyError(key)

    def to_dict(self) -> dict[str, Any]:
        """Settings, suggested cut and figures as plain JSON values."""
        return {
            "cut": self.cut.isoformat(),
            "window_days": self.window_days,
            "settings": self.settings.model_dump(mode="json"),
            "figures": [asdict(figure) for figure in self.figures],
        }

    def __rich__(self) -> Table:
        """Ours beside the paper's, and how each is measured."""
        table = Table(title="The simulated world beside the published one")
        table.add_column("Figure")
        table.add_column("Here", justify="right")
        table.add_column("Paper", justify="right")
        table.add_column("Measured as", style="dim")
        for row in self.rows():
            table.add_row(*row)
        return table

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Label, ours, paper's, how; the matrix of signals takes one line a signal."""
        rows = []
        for _, group in itertools.groupby(self.figures, key=lambda figure: figure.group):
            figures = list(group)
            first = figures[0]
            shown = " / ".join(figure.shown.removesuffix(" %") for figure in figures)
            paper = " / ".join(figure.paper.removesuffix(" %") for figure in figures)
            unit = " %" if len(figures) > 1 else ""
            rows.append(
                (first.group, shown + unit, paper + unit, first.how)
                if unit
                else (first.label, first.shown, first.paper, first.how)
            )
        return rows
