"""What a comparison took: the baselines beside the training of the model.

Seconds differ from run to run, so they stand beside a table and never in it: no step's key and no
release's id holds any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from colisten.settings.baselines import BASELINE_NAMES
from colisten.statistics.interval import Part

_FIGURE = "seconds_of_"


class Seconds(Part):
    """Wall-clock seconds of one run.

    Attributes:
        model: Training the model; None where nobody knows.
        baselines: Tuning and fitting each, by its name in the table.
    """

    model: float | None = None
    baselines: dict[str, float] = Field(default_factory=dict)

    @property
    def slower(self) -> tuple[str, ...]:
        """Baselines that took longer than the model, in the order of the table."""
        if self.model is None:
            return ()
        return tuple(name for name, spent in self.baselines.items() if spent > self.model)

    def sentences(self, subject: str) -> list[str]:
        """That some baselines took longer than the model, and how to leave them out; or nothing."""
        if not self.slower:
            return []
        which = ", ".join(f"{name} ({self.baselines[name]:,.0f} s)" for name in self.slower)
        ours = [f"-{name}" for name in self.slower if name in BASELINE_NAMES]
        advice = f" evaluation.baselines=[{', '.join(ours)}] leaves out what is not wanted."
        return [
            f"Longer than the training of {subject} ({self.model:,.0f} s) took {which}."
            + (advice if ours else "")
        ]


def seconds_figures(baselines: Mapping[str, float]) -> dict[str, float]:
    """Seconds by name as figures that a pipeline logs."""
    return {_figure(name): round(spent, 3) for name, spent in baselines.items()}


def read_seconds(figures: Mapping[str, float | None], models: Sequence[str]) -> dict[str, float]:
    """Of which `seconds_figures` were made, for the models of a table."""
    found = {name: figures.get(_figure(name)) for name in models}
    return {name: spent for name, spent in found.items() if spent is not None}


def _figure(name: str) -> str:
    return _FIGURE + name.replace(" ", "_")
