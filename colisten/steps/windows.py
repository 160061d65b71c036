"""A window that measures: its users, what is known of them at its start, and tables over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from colisten.config import Settings
from colisten.steps.artifacts.tables import Events, History
from colisten.steps.artifacts.vectors import TextVectors

if TYPE_CHECKING:
    from colisten.evaluation.split import EvaluationSet
    from colisten.evaluation.table import EvaluationTable
    from colisten.features.users import UserBatch
    from colisten.models.onnx_tower import OnnxUserTower
    from colisten.ranking.model_rankers import ModelRankers


@dataclass(frozen=True)
class MeasuringWindow:
    """What the steps that measure have in common.

    Attributes:
        history: Checked tables.
        events: Events of the window; the history itself where the window lies in it.
        as_of: UTC moment that starts the window; models saw nothing at or after it.
        days: Its length.
        settings: `data`, `evaluation`, `seed` and DuckDB's limits.
    """

    history: History
    events: Events
    as_of: datetime
    days: int
    settings: Settings

    @property
    def folders(self) -> list[Path]:
        """Folders of interactions, each once."""
        return list(dict.fromkeys([self.history.folder, self.events.folder]))

    @cached_property
    def users(self) -> EvaluationSet:
        """Users with a target in the window."""
        from colisten.evaluation.split import evaluation_set

        return evaluation_set(
            self.folders,
            self.history.catalogue,
            cut=self.as_of,
            window_days=self.days,
            target_type=self.settings.data.target_type,
            settings=self.settings,
        )

    def rankers(
        self, text: TextVectors, z: np.ndarray, towers: OnnxUserTower, towers_text: OnnxUserTower
    ) -> ModelRankers:
        """The models of the table."""
        from colisten.ranking.model_rankers import ModelRankers

        return ModelRankers(
            folders=self.folders,
            catalogue=self.history.catalogue,
            as_of=self.as_of,
            text=text.vectors,
            z=z,
            towers=towers,
            towers_text=towers_text,
            settings=self.settings,
        )

    def table(
        self,
        lists: Mapping[str, Sequence[np.ndarray]],
        known: UserBatch,
        streams: np.ndarray,
        text: TextVectors,
        subject: str | None = None,
    ) -> EvaluationTable:
        """Measure ranked lists; all, warm and cold users and finer slices.

        Args:
            lists: By model, one for every training.
            known: What is known of the users, row by row.
            streams: Users who started each target item before the window [num_target].
            text: Text vectors, which the diversity of lists is read from.
            subject: The model that every other is compared with.
        """
        from colisten.evaluation.beyond_accuracy import BeyondAccuracy
        from colisten.evaluation.slices import finer_slices
        from colisten.evaluation.table import evaluate_lists

        catalogue = self.history.catalogue
        target = catalogue.slice_of(self.settings.data.target_type)
        lengths = np.sum([each.counts for each in known.histories.values()], axis=0)
        return evaluate_lists(
            lists,
            self.users,
            self.settings,
            self.settings.seed,
            subject=subject,
            finer=finer_slices(self.users, catalogue, streams, lengths),
            beyond=BeyondAccuracy(streams, text.vectors[target]),
        )
