"""Baselines tuned on the window before the cut, then fitted up to it, as our own model is.

A baseline that meets a user without an event answers by popularity, as ours does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.registry import BASELINES
from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.data.moments import days_from
from colisten.evaluation.metrics import hit_matrix, user_metrics
from colisten.evaluation.split import EvaluationSet, evaluation_set
from colisten.logs import logger
from colisten.progress import track
from colisten.ranking.top_k import Scorer, ranked_blocks

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
    folders: Sequence[Path],
    catalogue: Catalogue,
    *,
    as_of: datetime,
    window_days: int,
    user_ids: np.ndarray,
    fallback: np.ndarray,
    settings: Settings,
    text: np.ndarray | None = None,
    baselines: Sequence[Baseline] = BASELINES,
) -> list[FittedBaseline]:
    """Each baseline at its best on `[as_of - window, as_of)`, refitted on all before `as_of`.

    Args:
        folders: Folders of interactions; nothing at or after `as_of` is read.
        catalogue: Items.
        as_of: The cut.
        window_days: Length of the tuning window before it.
        user_ids: Users that will be ranked, object [U].
        fallback: Order for users without an event, float32 [num_target].
        settings: Evaluation settings, target type, threads and seed.
        text: Text vectors [num_items, d]; baselines that need them are left out where it is None.
        baselines: Which models.

    Raises:
        EvaluationError: A folder has no interactions or `as_of` has no time zone.
    """
    earlier = days_from(as_of, -window_days)
    window = evaluation_set(
        folders,
        catalogue,
        cut=earlier,
        window_days=window_days,
        target_type=settings.data.target_type,
        settings=settings,
    )
    before = InteractionMatrix.read(folders, catalogue, as_of=earlier, settings=settings, text=text)
    train = InteractionMatrix.read(folders, catalogue, as_of=as_of, settings=settings, text=text)
    rows = train.rows_of(user_ids)
    made = []
    for baseline in track(baselines, "tuning baselines"):
        if baseline.needs_text and text is None:
            log.info("baseline left out, it needs text vectors", name=baseline.name)
            continue
        chosen = _best(baseline, before, window, settings)
        scorer = baseline.fit(train, chosen, settings.threads, settings.seed)
        made.append(FittedBaseline(baseline.name, chosen, scorer, rows, fallback))
    return made


def _best(
    baseline: Baseline, train: InteractionMatrix, window: EvaluationSet, settings: Settings
) -> dict[str, Any]:
    """The parameters with the highest HR@k on the window, then MRR; the first without a window."""
    choices = baseline.choices()
    if not len(window) or not train.matrix.nnz:
        return choices[0]
    rows = train.rows_of(window.user_ids)
    fallback = np.zeros(train.num_target, dtype=np.float32)
    found = []
    for parameters in choices:
        scorer = baseline.fit(train, parameters, settings.threads, settings.seed)
        ranker = FittedBaseline(baseline.name, parameters, scorer, rows, fallback)
        lists = [
            block.items
            for block in ranked_blocks(
                ranker.scores,
                np.arange(len(window)),
                settings.evaluation.depth,
                exclusions=window.exclusions,
                available=window.available,
                block_megabytes=settings.evaluation.block_megabytes,
                label=baseline.name,
            )
        ]
        hits = hit_matrix(np.concatenate(lists), window.targets)
        measured = user_metrics(hits, window.num_targets, settings.evaluation.k).mean(axis=0)
        found.append((float(measured[0]), float(measured[1])))
        log.info(
            "baseline", name=baseline.name, **parameters, hit_rate=found[-1][0], mrr=found[-1][1]
        )
    return choices[max(range(len(choices)), key=lambda at: (found[at], -at))]
