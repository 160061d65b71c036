"""The steps ahead of a run: which, what a person calls them, and how long each may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from colisten.errors import FileError
from colisten.json_files import read_mapping
from colisten.steps.trials import BOTH, TEXT, TrainingRun

BACKTEST = "backtest"
TITLES = {
    "plan_run": "plan the run",
    "take_released": "HGNN of the live release",
    "check_tables": "check the tables",
    "embed_text": "text vectors",
    "build_features": "features",
    "build_graph": "co-listening graph",
    "inspect_graph": "look at the graph",
    "train_hgnn": "train HGNN",
    "embed_items": "vectors of all items",
    "build_training_rows": "training rows",
    "train_towers": "train towers",
    "evaluate": "measure",
    "gate": "gate",
    "publish": "publish",
    "recommend": "lists for every user",
    "report": "reports",
    "watch_drift": "drift",
    "list_trials": "list the trials",
    "read_trial": "read a trial",
    "rank": "rank",
    "compare": "compare",
}
_OF_BLOCKS = {BOTH: "", TEXT: ", text alone"}
_PREPARE = ("check_tables", "embed_text", "build_features")
# Expected seconds behind a run from which on its pace says something of this machine.
_TELLING_SECONDS = 10.0
_FIT = ("build_graph", "inspect_graph", "train_hgnn", "build_training_rows")


@dataclass(frozen=True)
class PlannedStep:
    """A step that a run will come to.

    Attributes:
        step: Its name.
        part: Which part of the work calls it, such as `backtest`.
        title: What a person calls it.
    """

    step: str
    part: str
    title: str


@dataclass(frozen=True)
class Place:
    """Where in its plan a run is.

    Attributes:
        title: What a person calls the step.
        number: Of the step, from 1.
        total: Steps of the plan; 0 without a plan.
        seconds_left: From its beginning to the end of the run; None where nobody knows.
    """

    title: str
    number: int = 0
    total: int = 0
    seconds_left: float | None = None


class Plan:
    """Steps in order, and how far a run is in them.

    Args:
        steps: What is to come.
        expected: Seconds of a step by its name; None where nobody knows.
    """

    def __init__(
        self,
        steps: Sequence[PlannedStep] = (),
        expected: Callable[[str], float | None] = lambda step: None,
    ) -> None:
        self.steps = tuple(steps)
        self.seconds = tuple(expected(each.step) for each in self.steps)
        self._next = 0
        self._took, self._expected = 0.0, 0.0

    @property
    def total_seconds(self) -> float | None:
        """Of all steps; None where one is not known."""
        return self._seconds_from(0)

    def arrive(self, step: str, part: str | None = None) -> Place:
        """Note that a run begins a step, or finds it finished, and say where that is.

        Steps that never come, as those after a failed training, are passed over.

        Args:
            step: Its name.
            part: As in `PlannedStep`; None where only the order is known.
        """
        for at in range(self._next, len(self.steps)):
            planned = self.steps[at]
            if planned.step == step and part in (None, planned.part):
                self._next = at + 1
                title = TITLES[step] if part is None else planned.title
                return Place(title, at + 1, len(self.steps), self._seconds_from(at))
        return Place(titled(step, part or ""))

    def took(self, place: Place, seconds: float) -> None:
        """Note how long a step took, so that what is left is reckoned at this machine's pace."""
        expected = self.seconds[place.number - 1] if place.number else None
        if expected is not None:
            self._took += seconds
            self._expected += expected

    def _seconds_from(self, at: int) -> float | None:
        coming = self.seconds[at:]
        known = [each for each in coming if each is not None]
        if not known or len(known) < len(coming):
            return None
        enough = self._expected >= _TELLING_SECONDS
        return sum(known) * (self._took / self._expected if enough else 1.0)


def titled(step: str, part: str = "", more: str = "") -> str:
    """What a person calls a step: `backtest: train HGNN`."""
    title = TITLES.get(step, step.replace("_", " ")) + more
    return f"{part}: {title}" if part else title


def release_steps(further: Sequence[TrainingRun] = ()) -> list[PlannedStep]:
    """Steps of `workflow.release`, then of the further trainings that are measured."""
    return [
        *_planned(_PREPARE),
        *_fit_steps(BACKTEST, (BOTH, TEXT)),
        *_planned(("evaluate",), BACKTEST),
        *_fit_steps("", (BOTH, TEXT)),
        *_planned(("gate", "publish", "evaluate", "recommend", "report")),
        *(trial_steps(further) if further else ()),
    ]


def trial_steps(trainings: Sequence[TrainingRun]) -> list[PlannedStep]:
    """Steps of `workflow.trials`."""
    steps = _planned(_PREPARE)
    for each in trainings:
        steps += [*_fit_steps(each.title, (each.blocks,)), *_planned(("rank",), each.title)]
    return [*steps, *_planned(("compare",))]


def seconds_of_earlier_runs(root: Path) -> dict[str, float]:
    """Mean seconds of each step, by its name, over the finished ones in a folder of steps."""
    seconds: dict[str, list[float]] = {}
    for file in root.glob("*/entry.json"):
        try:
            spent = float(read_mapping(file)["seconds"])
        except (OSError, FileError, KeyError, TypeError, ValueError):
            continue
        seconds.setdefault(file.parent.name.rpartition("-")[0], []).append(spent)
    return {step: mean(each) for step, each in seconds.items()}


def _planned(steps: Sequence[str], part: str = "") -> list[PlannedStep]:
    return [PlannedStep(step, part, titled(step, part)) for step in steps]


def _fit_steps(part: str, blocks: Sequence[str]) -> list[PlannedStep]:
    towers = [
        PlannedStep("train_towers", part, titled("train_towers", part, _OF_BLOCKS.get(each, "")))
        for each in blocks
    ]
    return [*_planned(_FIT, part), *towers]
