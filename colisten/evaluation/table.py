"""The table that decides: every model on every slice, with intervals, and who wins.

All models are measured on the same users, candidates and exclusions, and resampled with the same
draws, so every difference between two of them is paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from colisten.errors import EvaluationError
from colisten.evaluation.beyond_accuracy import BEYOND_ACCURACY, BeyondAccuracy
from colisten.evaluation.comparison import Comparison, Contrast, Row
from colisten.evaluation.metrics import metric_names
from colisten.evaluation.score_calibration import ScoreCalibration
from colisten.evaluation.slices import SeedRuns, Slice, user_slices
from colisten.evaluation.split import EvaluationSet
from colisten.logs import logger
from colisten.ranking.lists import rank_lists
from colisten.ranking.rankers import SUBJECT, Ranker
from colisten.settings.sections import EvaluationSettings
from colisten.statistics.interval import FEW_USERS, Part
from colisten.words import known_word

SLICES = ("all", "warm", "cold")

log = logger("evaluation")


class EvaluationTable(Part):
    """What `evaluate` measured; `metrics.json` and `slices.json` hold its `model_dump`.

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
        finer: Models by finer slices (popularity tiers, new items, languages, lengths of history,
            users with and without text).
        finer_differences: Subject minus every other model on those.
        calibration: What the scores of two towers with the graph are worth as probabilities of a
            start; None where too little was started to say.
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
    calibration: ScoreCalibration | None = None

    @property
    def empty(self) -> bool:
        """Whether no user had a target, so that nothing was measured."""
        return self.users["all"] == 0

    def too_few(self, part: str = "all") -> bool:
        """Whether so few users of a slice had a target that one of them would turn any verdict."""
        return 0 < self.users[part] < FEW_USERS

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the measures, in order."""
        return tuple(
            name
            for name in (*metric_names(self.k), *BEYOND_ACCURACY)
            if name in self.rows[0].metrics
        )

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
        return row.metrics[known_word("Metric", metric, list(row.metrics), EvaluationError)].value

    def lead(self, metric: str, part: str = "all") -> Contrast | None:
        """The best model against the runner-up; None where fewer than two were measured.

        Raises:
            EvaluationError: There is no such metric or slice.
        """
        known_word("Metric", metric, self.metrics, EvaluationError)
        known_word("Slice", part, SLICES, EvaluationError)
        of_both = (lead for lead in self.leads if (lead.metric, lead.slice) == (metric, part))
        return next(of_both, None)


def evaluate(
    rankers: Sequence[Ranker],
    evaluation_set: EvaluationSet,
    settings: EvaluationSettings,
    seed: int,
    *,
    subject: str = SUBJECT,
    finer: Sequence[Slice] = (),
    beyond: BeyondAccuracy | None = None,
) -> EvaluationTable:
    """Rank for every user, then measure: `rank_lists` and `evaluate_lists`, one list a ranker.

    Args:
        rankers: Models; their rows are the users of `evaluation_set`.
        evaluation_set: Users, targets and candidates. An empty one gives a table without values.
        settings: How.
        seed: Of the resampling.
        subject: See `evaluate_lists`.
        finer: See `evaluate_lists`.
        beyond: See `evaluate_lists`.

    Raises:
        EvaluationError: There is no ranker, two share a name, or scores are wrong.
    """
    lists = rank_lists(rankers, evaluation_set, settings)
    return evaluate_lists(
        {model: [items] for model, items in lists.by_model.items()},
        evaluation_set,
        settings,
        seed,
        subject=subject,
        finer=finer,
        beyond=beyond,
    )


def evaluate_lists(
    lists: Mapping[str, Sequence[np.ndarray]],
    evaluation_set: EvaluationSet,
    settings: EvaluationSettings,
    seed: int,
    *,
    subject: str = SUBJECT,
    finer: Sequence[Slice] = (),
    beyond: BeyondAccuracy | None = None,
) -> EvaluationTable:
    """Measure ranked lists side by side, with the noise of users and of training seeds.

    A user's value is the mean over a model's seeds, and so is coverage. Intervals hold what other
    users and, for a model with several lists, other seeds would have given; see
    `colisten.statistics.seeds`.

    Args:
        lists: By model, int32 [U, depth] for every training seed: one for a model without
            chance, such as a popularity list. Rows are the users of `evaluation_set`, entries as
            in `ranking.lists.Lists`.
        evaluation_set: Users, targets and candidates. An empty one gives a table without values.
        settings: How.
        seed: Of the resampling.
        subject: The model compared with every other; where it is not measured the model with the
            highest HR@k takes its place.
        finer: Slices beside all, warm and cold users, such as `finer_slices` gives.
        beyond: Adds popularity, novelty and diversity of lists.

    Raises:
        EvaluationError: There is no model, one has no list, or a list is of other users, of other
            items or too short.
    """
    runs = _seed_runs(lists, evaluation_set, settings, beyond)
    slices = user_slices(evaluation_set)
    parts: dict[str, list[Any]] = {
        name: [] for name in ("rows", "differences", "leads", "finer", "finer_differences")
    }
    for at, part in enumerate([*slices, *finer]):
        comparison = Comparison(
            list(lists),
            [each.on(part, evaluation_set, settings.k) for each in runs],
            part.name,
            settings,
            seed=1000 * seed + at,
            further=beyond.metrics if beyond is not None else (),
        )
        if subject not in lists:
            subject = comparison.most_hits()
        if at >= len(slices):
            parts["finer"] += comparison.rows()
            parts["finer_differences"] += comparison.against_all(subject)
            continue
        parts["rows"] += comparison.rows()
        if len(part.users):
            parts["differences"] += comparison.against_all(subject)
            parts["leads"] += comparison.leads()
    for row in parts["rows"][: len(lists)]:
        log.info("measured", model=row.model, seeds=row.seeds, hit_rate=_rounded(row))
    return EvaluationTable(
        **_protocol(evaluation_set, settings),
        seed=seed,
        users={part.name: len(part.users) for part in slices},
        subject=subject,
        models=tuple(lists),
        **{name: tuple(part) for name, part in parts.items()},
    )


def _protocol(data: EvaluationSet, settings: EvaluationSettings) -> dict[str, Any]:
    return {
        "cut": data.cut.isoformat(),
        "window_days": data.window_days,
        "target_type": data.target_type,
        **settings.model_dump(include={"k", "depth", "confidence", "bootstrap"}),
        "candidates": data.num_candidates,
        "targets": int(data.num_targets.sum()),
        "unreachable_targets": data.unreachable,
    }


def _seed_runs(
    lists: Mapping[str, Sequence[np.ndarray]],
    data: EvaluationSet,
    settings: EvaluationSettings,
    beyond: BeyondAccuracy | None,
) -> list[SeedRuns]:
    if not lists or not all(len(runs) for runs in lists.values()):
        raise EvaluationError(
            f"The models to evaluate are {list(lists)}.",
            "Give at least one, each with a list for every training seed.",
        )
    if beyond is not None and len(beyond.streams) != len(data.available):
        raise EvaluationError(
            f"Beyond accuracy, {len(beyond.streams):,} items are known, the catalogue has "
            f"{len(data.available):,} of type {data.target_type}.",
            "Pass what is known of the items of the target type, in catalogue order.",
        )
    for model, runs in lists.items():
        for items in runs:
            _check(model, items, data, settings.depth)
    return [
        SeedRuns.of([items[:, : settings.depth] for items in runs], beyond, settings.k)
        for runs in lists.values()
    ]


def _check(model: str, items: np.ndarray, data: EvaluationSet, depth: int) -> None:
    if items.ndim != 2 or len(items) != len(data) or items.shape[1] < depth:
        raise EvaluationError(
            f"A list of {model} has the shape {items.shape}, expected {(len(data), depth)}: "
            "users, places.",
            "Rank for these users with the same evaluation.depth.",
        )
    if items.size and int(items.max()) >= len(data.available):
        raise EvaluationError(
            f"A list of {model} holds item {int(items.max())}, the catalogue has "
            f"{len(data.available):,} of type {data.target_type}.",
            "Rank with the catalogue that is measured.",
        )


def _rounded(row: Row) -> float | None:
    value = next(iter(row.metrics.values())).value
    return None if value is None else round(value, 4)
