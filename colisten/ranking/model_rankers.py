"""The models of the table (paper tables 2 and 3), built from what one run has at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.evaluation.popularity import PopularityRanker, popularity
from colisten.features.users import UserBatch
from colisten.models.onnx_tower import OnnxUserTower
from colisten.ranking.rankers import SUBJECT, MeanVectorRanker, RandomRanker, Ranker, VectorRanker

WITHOUT_GRAPH = "2T"
POPULARITY = "popularity"


@dataclass(frozen=True, eq=False)
class ModelRankers:
    """Everything the rankers stand on, all as of one moment.

    Attributes:
        folders: Folders of interactions.
        catalogue: Items.
        as_of: Events at or after it are not seen.
        text: Text vectors [num_items, d].
        z: HGNN vectors [num_items, dim].
        towers: 2T-HGNN.
        towers_text: 2T without graph.
        settings: `data.target_type`, `evaluation.popularity_days`, `seed` and DuckDB's limits are
            used.
    """

    folders: Sequence[Path]
    catalogue: Catalogue
    as_of: datetime
    text: np.ndarray
    z: np.ndarray
    towers: OnnxUserTower
    towers_text: OnnxUserTower
    settings: Settings

    def rankers(self, users: UserBatch) -> list[Ranker]:
        """The rankers for these users, in the order of the table; rows are those of `users`."""
        target = self.catalogue.slice_of(self.settings.data.target_type)
        recent, ever = self.recent_popularity(), self.all_time_popularity()
        return [
            RandomRanker(target.stop - target.start, seed=self.settings.seed),
            PopularityRanker(f"{POPULARITY} (all time)", ever),
            PopularityRanker(POPULARITY, recent),
            MeanVectorRanker("text-KNN", users, self.text, target, recent),
            MeanVectorRanker("HGNN-mean", users, self.z, target, recent),
            self.two_tower(WITHOUT_GRAPH, self.towers_text, users, recent),
            self.two_tower(SUBJECT, self.towers, users, recent),
        ]

    def recent_popularity(self) -> np.ndarray:
        """Users per target item in the last evaluation.popularity_days, float32 [num_target]."""
        return self._popularity(self.settings.evaluation.popularity_days)

    def all_time_popularity(self) -> np.ndarray:
        """Users per target item before `as_of`, float32 [num_target]."""
        return self._popularity(None)

    def _popularity(self, days: int | None) -> np.ndarray:
        return popularity(
            self.folders,
            self.catalogue,
            as_of=self.as_of,
            target_type=self.settings.data.target_type,
            window_days=days,
            settings=self.settings,
        )

    @staticmethod
    def two_tower(
        name: str, tower: OnnxUserTower, users: UserBatch, fallback: np.ndarray
    ) -> VectorRanker:
        """A two-tower model as a ranker of these users."""
        return VectorRanker(name, tower.user_vectors(users), tower.item_vectors, fallback)
