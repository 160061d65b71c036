"""Several trainings side by side: what each is called, its settings, and what its towers see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colisten.ablations.registry import Ablation
from colisten.errors import PipelineError
from colisten.ranking.model_rankers import GRAPH_MEAN, POPULARITY, WITHOUT_GRAPH
from colisten.ranking.rankers import SUBJECT
from colisten.settings.tree import Settings
from colisten.steps.registry import step_named
from colisten.steps.settings import settings_of

BOTH = "text,z"
TEXT = "text"
GRAPH = "z"
# What all trials share is computed once, from the first one's settings.
_SHARED = ("check_tables", "embed_text", "build_features")


@dataclass(frozen=True)
class TrainingRun:
    """One training.

    Attributes:
        model: What it is called in the table. Trials of one name are trainings of one model.
        settings: Of this training, its seed among them.
        blocks: What the towers see of an item: `text,z`, `text` or `z`.
        beside: Rankers of the same training to list as well, such as `HGNN-mean`.
    """

    model: str
    settings: Settings
    blocks: str = BOTH
    beside: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a person calls this training."""
        return f"{self.model}, seed {self.settings.seed}"


def further_seeds(settings: Settings, seeds: int) -> list[TrainingRun]:
    """Trainings of a release's models under the seeds after `settings.seed`, `seeds` in all."""
    trials = []
    for number in range(1, seeds):
        seeded = with_seed(settings, number)
        trials += [
            TrainingRun(SUBJECT, seeded, BOTH, beside=(GRAPH_MEAN,)),
            TrainingRun(WITHOUT_GRAPH, seeded, TEXT),
        ]
    return trials


def ablation_trials(
    ablations: Sequence[Ablation], settings_of: Mapping[str, Settings], seeds: int
) -> list[TrainingRun]:
    """Every ablation under every seed; what gives the scale stands beside the full model.

    Args:
        ablations: Rows.
        settings_of: Settings by name of the row, with the first seed.
        seeds: Trainings of each.
    """
    return [
        TrainingRun(
            each.name,
            with_seed(settings_of[each.name], number),
            each.blocks,
            # Popularity is the same under every seed.
            beside=(*((POPULARITY,) if not number else ()), GRAPH_MEAN) if each.is_full else (),
        )
        for number in range(seeds)
        for each in ablations
    ]


def with_seed(settings: Settings, number: int) -> Settings:
    """The same settings, `number` seeds on."""
    return settings.model_copy(update={"seed": settings.seed + number})


def check_trials(trials: Sequence[TrainingRun], base: Settings) -> None:
    """Refuse trials that cannot stand in one table.

    Args:
        trials: What is to be fitted.
        base: Settings of what all of them share: tables, text vectors and the feature store.

    Raises:
        PipelineError: There is no trial, one would need other tables, texts or features than the
            rest, or would be measured otherwise.
    """
    if not trials:
        raise PipelineError("There is no trial to run.", "Name at least one.")
    for trial in trials:
        for name in _SHARED:
            step = step_named(name)
            if settings_of(step, trial.settings) != settings_of(step, base):
                raise PipelineError(
                    f"The trial '{trial.model}' needs another {name} than the rest.",
                    "Trials may differ in graph, hgnn, towers, seed and how a history is averaged.",
                )
        if trial.settings.evaluation != base.evaluation:
            raise PipelineError(
                f"The trial '{trial.model}' would be measured otherwise than the rest.",
                "Set evaluation.* for all of them.",
            )
