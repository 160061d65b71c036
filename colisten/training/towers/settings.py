"""What a training of the towers reads of the settings, and nothing else."""

from __future__ import annotations

from pydantic import Field

from colisten.settings.data import DataSettings
from colisten.settings.section import Positive, Section
from colisten.settings.sections import FeatureSettings
from colisten.settings.towers import TowerSettings
from colisten.settings.tree import Settings


class TowersTraining(Section):
    """The sections of a training and its single settings.

    Attributes:
        k: `evaluation.k`, for the hit rate of held-out rows.
        window_days: Days that the model is to be right for.
    """

    data: DataSettings = DataSettings()
    features: FeatureSettings = FeatureSettings()
    towers: TowerSettings = TowerSettings()
    k: Positive = 10
    window_days: Positive = 30
    seed: int = Field(0, ge=0)
    threads: Positive = 2

    @classmethod
    def of(cls, settings: Settings) -> TowersTraining:
        """What whole settings say of it."""
        return cls(
            data=settings.data,
            features=settings.features,
            towers=settings.towers,
            k=settings.evaluation.k,
            seed=settings.seed,
            threads=settings.threads,
        )
