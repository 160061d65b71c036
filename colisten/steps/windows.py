"""What the steps that measure a window have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from colisten.steps.artifacts.vectors import TextVectors

if TYPE_CHECKING:
    from colisten.data.catalogue import Catalogue
    from colisten.evaluation.beyond_accuracy import BeyondAccuracy
    from colisten.evaluation.slices import Slice
    from colisten.evaluation.split import EvaluationSet
    from colisten.features.users import UserBatch


def list_slices(
    window: EvaluationSet, catalogue: Catalogue, streams: np.ndarray, users: UserBatch
) -> list[Slice]:
    """Slices beside all, warm and cold users; see `colisten.evaluation.slices.finer_slices`."""
    from colisten.evaluation.slices import finer_slices

    counts = np.sum([each.counts for each in users.histories.values()], axis=0)
    return list(finer_slices(window, catalogue, streams, counts))


def known_items(
    streams: np.ndarray, text: TextVectors, catalogue: Catalogue, target_type: str
) -> BeyondAccuracy:
    """What lists are made of: see `colisten.evaluation.beyond_accuracy`."""
    from colisten.evaluation.beyond_accuracy import BeyondAccuracy

    return BeyondAccuracy(streams, text.vectors[catalogue.slice_of(target_type)])
