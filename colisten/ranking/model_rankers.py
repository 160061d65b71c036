"""The models of the table (paper tables 2 and 3), built from what one run has at hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np

from colisten.features.users import UserBatch
from colisten.models.onnx_tower import OnnxUserTower
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import PopularityRule, popularity, popularity_scores
from colisten.ranking.rankers import (
    SUBJECT,
    MeanVectorRanker,
    PopularityRanker,
    RandomRanker,
    Ranker,
    VectorRanker,
)

WITHOUT_GRAPH = "2T"
GRAPH_MEAN = "HGNN-mean"
POPULARITY = "popularity"


@dataclass(frozen=True, eq=False)
class ModelRankers:
    """Everything the rankers stand on, all as of one moment.

    Attributes:
        events: Events and items.
        as_of: Events at or after it are not seen.
        text: Text vectors [num_items, d].
        z: HGNN vectors [num_items, dim].
        towers: 2T-HGNN.
        towers_text: 2T without graph.
        popularity: What counts as popular lately.
        seed: Of chance.
    """

    events: EventLog
    as_of: datetime
    text: np.ndarray
    z: np.ndarray
    towers: OnnxUserTower
    towers_text: OnnxUserTower
    popularity: PopularityRule
    seed: int

    def rankers(self, users: UserBatch) -> list[Ranker]:
        """The rankers for these users, in the order of the table; rows are those of `users`."""
        target = self.events.target
        recent, ever = self.recent_popularity, self.all_time_popularity
        return [
            RandomRanker(self.events.num_target, seed=self.seed),
            PopularityRanker(f"{POPULARITY} (all time)", ever),
            PopularityRanker(POPULARITY, recent),
            MeanVectorRanker("text-KNN", users, self.text, target, recent),
            MeanVectorRanker(GRAPH_MEAN, users, self.z, target, recent),
            self.two_tower(WITHOUT_GRAPH, self.towers_text, users, recent),
            self.two_tower(SUBJECT, self.towers, users, recent),
        ]

    @cached_property
    def recent_popularity(self) -> np.ndarray:
        """Scores of what is popular lately, float32 [num_target]."""
        return popularity_scores(self.events, self.as_of, self.popularity)

    @cached_property
    def all_time_popularity(self) -> np.ndarray:
        """Users per target item before `as_of`, float32 [num_target]."""
        return popularity(self.events, self.as_of)

    @staticmethod
    def two_tower(
        name: str, tower: OnnxUserTower, users: UserBatch, fallback: np.ndarray
    ) -> VectorRanker:
        """A two-tower model as a ranker of these users."""
        return VectorRanker(name, tower.user_vectors(users), tower.item_vectors, fallback)
