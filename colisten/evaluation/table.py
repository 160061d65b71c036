"""The table that decides: every model on every slice, with intervals, and who wins.

All models are measured on the same users, candidates and exclusions, and resampled with the same
draws, so every difference between two of them is paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colisten.config import Settings
from colisten.errors import EvaluationError
from colisten.evaluation.comparison import Comparison, Contrast, Measured, Part, Row
from colisten.evaluation.metrics import metric_names
from colisten.evaluation.rankers import Ranker
from colisten.evaluation.ranking import ranked_blocks
from colisten.evaluation.slices import Slice, user_slices
from colisten.evaluation.split import EvaluationSet
from colisten.logs import logger

SUBJECT = "2T-HGNN"
SLICES = ("all", "warm", "cold")

log = logger("evaluation")


class EvaluationTable(Part):
    """What `evaluate` measured; `model_dump(mode="json")` is the form of metrics.json.

    Attributes:
        cut, window_days, target_type, k, depth, confidence, bootstrap, seed: How.
        users: Users with a target, per slice.
        candidates: Items that could be recommended.
        targets: First-time streams in the window.
        unreachable_targets: Those of items not in the catalogue at the cut; they count as misses.
        subject: The model whose differences against every other are in `differences`.
        models: In the order given.
        rows: Models by slices.
        differences: Subject minus every other model, per slice and metric.
        leads: The best model minus the runner-up, per slice and metric; chance is no contender.
        finer: Models by finer slices (popularity tiers, new items, languages, lengths of history).
        finer_differences: Subject minus every other model on those.
    """

    cut: str
    window_days: int
    target_type: str
    k: int
    depth: int
    confidence: float
    bootstrap: int
    seed: int
    users: dict[str, int]
    candidates: int
    targets: int
    unreachable_targets: int
    subject: str
    models: tuple[str, ...]
    rows: tuple[Row, ...]
    differences: tuple[Contrast, ...]
    leads: tuple[Contrast, ...]
    finer: tuple[Row, ...] = ()
    finer_differences: tuple[Contrast, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no user had a target, so that nothing was measured."""
        return self.users["all"] == 0

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the measures, in order."""
        return metric_names(self.k)

    def row(self, model: str, part: str = "all") -> Row:
        """One model on one slice.

        Raises:
            EvaluationError: The table has no such row.
        """
        for row in self.rows:
            if (row.model, row.slice) == (model, part):
                return row
        raise EvaluationError(
            f"The table has no row for model '{model}', slice '{part}'.",
            f"It has the models {', '.join(self.models)} and the slices {', '.join(SLICES)}.",
        )

    def value(self, model: str, metric: str, part: str = "all") -> float | None:
        """One value; None where the slice has no user. Raises as `row` does."""
        row = self.row(model, part)
        if metric not in row.metrics:
            raise EvaluationError(
                f"The table has no metric '{metric}'.", f"It has {', '.join(row.metrics)}."
            )
        return row.metrics[metric].value

    def lead(self, metric: str, part: str = "all") -> Contrast | None:
        """The best model against the runner-up; None where fewer than two were measured."""
        found = [lead for lead in self.leads if (lead.metric, lead.slice) == (metric, part)]
        return found[0] if found else None


def evaluate(
    rankers: Sequence[Ranker],
    evaluation_set: EvaluationSet,
    settings: Settings,
    seed: int,
    *,
    subject: str = SUBJECT,
    finer: Sequence[Slice] = (),
) -> EvaluationTable:
    """Measure rankers side by side.

    Args:
        rankers: Models; their rows are the users of `evaluation_set`.
        evaluation_set: Users, targets and candidates. An empty one gives a table without values.
        settings: `evaluation` is used.
        seed: Of the resampling.
        subject: The model compared with every other; where it is not among `rankers`, the one
            with the highest HR@k takes its place.
        finer: Slices beside all, warm and cold users, such as `finer_slices` gives.

    Raises:
        EvaluationError: There is no ranker, two share a name, or scores are wrong.
    """
    names = [ranker.name for ranker in rankers]
    if not names or len(set(names)) < len(names):
        raise EvaluationError(
            f"The models to evaluate are {names}.", "Give at least one, each with its own name."
        )
    slices = user_slices(evaluation_set)
    every = [*slices, *finer]
    measured = [_measure(ranker, evaluation_set, every, settings) for ranker in rankers]
    if subject not in names:
        first = [model.values["all"][:, 0].sum() for model in measured]
        subject = names[int(np.argmax(first))]
    rows: list[Row] = []
    differences: list[Contrast] = []
    leads: list[Contrast] = []
    finer_rows: list[Row] = []
    finer_differences: list[Contrast] = []
    for at, part in enumerate(every):
        comparison = Comparison(names, measured, part.name, settings, seed=1000 * seed + at)
        if at >= len(slices):
            finer_rows += comparison.rows()
            finer_differences += comparison.against_all(subject)
            continue
        rows += comparison.rows()
        if len(part.users):
            differences += comparison.against_all(subject)
            leads += comparison.leads()
    return EvaluationTable(
        cut=evaluation_set.cut.isoformat(),
        window_days=evaluation_set.window_days,
        target_type=evaluation_set.target_type,
        k=settings.evaluation.k,
        depth=settings.evaluation.depth,
        confidence=settings.evaluation.confidence,
        bootstrap=settings.evaluation.bootstrap,
        seed=seed,
        users={part.name: len(part.users) for part in slices},
        candidates=evaluation_set.num_candidates,
        targets=int(evaluation_set.num_targets.sum()),
        unreachable_targets=evaluation_set.unreachable,
        subject=subject,
        models=tuple(names),
        rows=tuple(rows),
        differences=tuple(differences),
        leads=tuple(leads),
        finer=tuple(finer_rows),
        finer_differences=tuple(finer_differences),
    )


def _measure(
    ranker: Ranker, data: EvaluationSet, slices: Sequence[Slice], settings: Settings
) -> Measured:
    items = np.full((len(data), settings.evaluation.depth), -1, dtype=np.int32)
    for block in ranked_blocks(
        ranker.scores,
        np.arange(len(data), dtype=np.int64),
        settings.evaluation.depth,
        exclusions=data.exclusions,
        available=data.available,
        block_megabytes=settings.evaluation.block_megabytes,
        label=ranker.name,
    ):
        items[block.rows] = block.items
    found = {part.name: part.measure(items, data, settings.evaluation.k) for part in slices}
    if len(data):
        hit_rate = float(found["all"][0][:, 0].mean())
        log.info("measured", model=ranker.name, hit_rate=round(hit_rate, 4))
    return Measured(
        {name: values for name, (values, _) in found.items()},
        {name: coverage for name, (_, coverage) in found.items()},
    )
