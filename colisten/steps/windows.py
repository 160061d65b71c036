"""The table over a window, for the steps that measure one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from colisten.ranking.rankers import SUBJECT
from colisten.settings.sections import EvaluationSettings
from colisten.steps.artifacts.vectors import TextVectors

if TYPE_CHECKING:
    from colisten.data.catalogue import Catalogue
    from colisten.evaluation.split import EvaluationSet
    from colisten.evaluation.table import EvaluationTable
    from colisten.features.users import UserBatch


def measure(
    lists: Mapping[str, Sequence[np.ndarray]],
    window: EvaluationSet,
    known: UserBatch,
    streams: np.ndarray,
    catalogue: Catalogue,
    text: TextVectors,
    evaluation: EvaluationSettings,
    seed: int,
    *,
    subject: str = SUBJECT,
) -> EvaluationTable:
    """Measure ranked lists; all, warm and cold users and finer slices.

    Args:
        lists: By model, one for every training.
        window: Users and targets.
        known: What is known of the users at the window's start, row by row.
        streams: Users who started each target item before it [num_target].
        catalogue: Items.
        text: Text vectors, which the diversity of lists and the users with text are read from.
        evaluation: How rankings are measured.
        seed: Of the resampling.
        subject: The model that every other is compared with.
    """
    from colisten.evaluation.beyond_accuracy import BeyondAccuracy
    from colisten.evaluation.slices import finer_slices, reads
    from colisten.evaluation.table import evaluate_lists

    lengths = np.sum([each.counts for each in known.histories.values()], axis=0)
    return evaluate_lists(
        lists,
        window,
        evaluation,
        seed,
        subject=subject,
        finer=finer_slices(window, catalogue, streams, lengths, text=reads(known, text.vectors)),
        beyond=BeyondAccuracy(streams, text.vectors[catalogue.slice_of(window.target_type)]),
    )
