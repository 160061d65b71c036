"""What was measured of every ablation, and what each ingredient is worth."""

from __future__ import annotations

from collections.abc import Sequence

from colisten.ablations.registry import FULL, Ablation
from colisten.evaluation.comparison import Contrast
from colisten.evaluation.table import EvaluationTable
from colisten.statistics.interval import Part


class Removed(Part):
    """One row: what was taken away and how. `Ablation`, as it stands in ablations.json."""

    name: str
    removes: str
    row: str | None
    overrides: tuple[str, ...]
    blocks: str


class AblationReport(Part):
    """All of it: what ablations.json holds.

    Attributes:
        seeds: Training seeds of every row.
        rows: The full model first.
        skipped: Ablations that were asked for and take nothing away under these settings.
        table: Every row, and what stands beside for scale, on the window after the cut. Its
            `differences` are full model minus row.
    """

    seeds: tuple[int, ...]
    rows: tuple[Removed, ...]
    skipped: tuple[str, ...]
    table: EvaluationTable

    @classmethod
    def of(
        cls,
        ablations: Sequence[Ablation],
        skipped: Sequence[Ablation],
        seeds: Sequence[int],
        table: EvaluationTable,
    ) -> AblationReport:
        """Put a table beside what its rows mean."""
        return cls(
            seeds=tuple(seeds),
            rows=tuple(
                Removed(
                    name=each.name,
                    removes=each.removes,
                    row=each.row,
                    overrides=each.overrides,
                    blocks=each.blocks,
                )
                for each in ablations
            ),
            skipped=tuple(each.name for each in skipped),
            table=table,
        )

    @property
    def beside(self) -> tuple[str, ...]:
        """Models of the table that are no ablation; they give the scale."""
        names = {each.name for each in self.rows}
        return tuple(model for model in self.table.models if model not in names)

    def change(self, model: str, metric: str, part: str = "all") -> Contrast | None:
        """A model minus the full one: below zero where the ingredient is worth something.

        None for the full model itself and on slices without users.

        Raises:
            EvaluationError: There is no such model, metric or slice.
        """
        self.table.value(model, metric, part)
        for each in self.table.differences:
            if (each.model, each.against, each.metric, each.slice) == (FULL, model, metric, part):
                turned = {
                    "model": model,
                    "against": FULL,
                    # From zero, as -0.0 reads like a loss.
                    "value": 0.0 - each.value,
                    "low": None if each.high is None else 0.0 - each.high,
                    "high": None if each.low is None else 0.0 - each.low,
                }
                return each.model_copy(update=turned)
        return None


def verdicts(report: AblationReport, metric: str, part: str = "all") -> list[str]:
    """Who is surely hurt by what, worst first; then what surely helps; then the rest."""
    if report.table.too_few(part):
        return [f"Only {report.table.users[part]} of {part} users had a target: too few to tell."]
    changes = [
        (each, change)
        for each in report.rows
        if (change := report.change(each.name, metric, part)) is not None
    ]
    changes.sort(key=lambda pair: pair[1].value)
    sentences = []
    for each, change in changes:
        if change.sure:
            verb = "costs" if change.value < 0 else "gains"
            sentences.append(
                f"Taking away {each.removes} {verb} {abs(change.value):.4f} of {metric} "
                f"({change.low:+.4f} to {change.high:+.4f})."
            )
    unsure = [each.name for each, change in changes if not change.sure]
    if unsure:
        sentences.append(f"Not surely different on {metric}: {', '.join(unsure)}.")
    return sentences
