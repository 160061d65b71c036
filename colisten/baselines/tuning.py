"""Baselines tuned on the window before the cut, then fitted up to it, as our own model is.

A baseline that meets a user without an event answers by popularity, as ours does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.registry import BASELINES
from colisten.data.moments import days_from
from colisten.evaluation.metrics import hit_matrix, user_metrics
from colisten.evaluation.split import EvaluationSet, evaluation_set
from colisten.logs import logger
from colisten.progress import track
from colisten.ranking.events import EventLog
from colisten.ranking.lists import rank_lists
from colisten.ranking.top_k import Scorer
from colisten.settings.sections import EvaluationSettings

log = logger("baselines")


@dataclass(frozen=True, eq=False)
class FittedBaseline:
    """A fitted baseline as a ranker of some users.

    Attributes:
        name: What the table calls it.
        parameters: What tuning chose.
        scorer: Scores by row of the interaction matrix.
        rows: Row of each user in the matrix; -1 for users without an event.
        fallback: float32 [num_target], the order for those.
    """

    name: str
    parameters: Parameters
    scorer: Scorer
    rows: np.ndarray
    fallback: np.ndarray

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Scores of users; see `colisten.ranking.rankers.Ranker`."""
        at = self.rows[rows]
        scores = np.broadcast_to(self.fallback, (len(rows), len(self.fallback))).copy()
        known = at >= 0
        if known.any():
            scores[known] = self.scorer(at[known])
        return scores


def tuned_baselines(
    events: EventLog,
    *,
    as_of: datetime,
    window_days: int,
    user_ids: np.ndarray,
    fallback: np.ndarray,
    evaluation: EvaluationSettings,
    seed: int,
    text: np.ndarray | None = None,
    baselines: Sequence[Baseline] = BASELINES,
) -> list[FittedBaseline]:
    """Each baseline at its best on `[as_of - window, as_of)`, refitted on all before `as_of`.

    Args:
        events: Events and items; nothing at or after `as_of` is read. Its engine's threads fit.
        as_of: The cut.
        window_days: Length of the tuning window before it.
        user_ids: Users that will be ranked, object [U].
        fallback: Order for users without an event, float32 [num_target].
        evaluation: How choices are compared.
        seed: Of every fit.
        text: Text vectors [num_items, d]; baselines that need them are left out where it is None.
        baselines: Which models.

    Raises:
        EvaluationError: A folder has no interactions or `as_of` has no time zone.
    """
    earlier = days_from(as_of, -window_days)
    window = evaluation_set(events, cut=earlier, window_days=window_days)
    before = InteractionMatrix.read(events, earlier, text)
    train = InteractionMatrix.read(events, as_of, text)
    rows = train.rows_of(user_ids)
    fitted = []
    for baseline in track(baselines, "tuning baselines"):
        if baseline.needs_text and text is None:
            log.info("baseline left out, it needs text vectors", name=baseline.name)
            continue
        fit = partial(baseline.fit, threads=events.engine.threads, seed=seed)
        best = _best(baseline, fit, before, window, evaluation)
        fitted.append(FittedBaseline(baseline.name, best, fit(train, best), rows, fallback))
    return fitted


def _best(
    baseline: Baseline,
    fit: Callable[[InteractionMatrix, Parameters], Scorer],
    train: InteractionMatrix,
    window: EvaluationSet,
    evaluation: EvaluationSettings,
) -> dict[str, Any]:
    """The parameters with the highest HR@k on the window, then MRR; the first without a window."""
    choices = baseline.choices()
    if not len(window) or not train.matrix.nnz:
        return choices[0]
    rows = train.rows_of(window.user_ids)
    fallback = np.zeros(train.num_target, dtype=np.float32)
    scores = []
    for parameters in choices:
        scorer = fit(train, parameters)
        ranker = FittedBaseline(baseline.name, parameters, scorer, rows, fallback)
        lists = rank_lists([ranker], window, evaluation)[baseline.name]
        hits = hit_matrix(lists, window.targets)
        hit_rate, mrr = user_metrics(hits, window.num_targets, evaluation.k).mean(axis=0)[:2]
        scores.append((float(hit_rate), float(mrr)))
        log.info("baseline", name=baseline.name, **parameters, hit_rate=hit_rate, mrr=mrr)
    return choices[max(range(len(choices)), key=lambda at: (scores[at], -at))]
