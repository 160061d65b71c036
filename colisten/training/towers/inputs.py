"""What the user tower reads of a training batch: pasts, whole histories, cold users."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colisten.settings.towers import TowerSettings
from colisten.training.towers.examples import TowerExamples


class BatchInputs:
    """Inputs of batches, some of whose examples are asked otherwise than serving asks.

    Args:
        examples: All examples.
        held_out: Those that are not trained on; what they hold must not shine through the whole
            histories of the rest, which end where they begin.
        settings: `leave_one_out` and `cold_start_dropout`.
    """

    def __init__(
        self, examples: TowerExamples, held_out: NDArray[np.int64], settings: TowerSettings
    ) -> None:
        self.examples = examples
        self.whole_share = settings.leave_one_out if examples.whole is not None else 0.0
        self.cold_start_dropout = settings.cold_start_dropout
        self.end = int(examples.times[held_out].min()) if len(held_out) else None
        self.left_out: NDArray[np.float32] | None = None
        if self.whole_share and examples.cached:
            self.left_out = examples.left_out_features(np.arange(len(examples)), self.end)

    def of(self, batch: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Inputs [n, width] of some examples: random shares of them leave-one-out and cold."""
        features = self.examples.user_features(batch)
        if self.whole_share:
            drawn = np.flatnonzero(rng.random(len(batch)) < self.whole_share)
            if len(drawn):
                features[drawn] = self._left_out(batch[drawn])
        if self.cold_start_dropout:
            drawn = np.flatnonzero(rng.random(len(batch)) < self.cold_start_dropout)
            if len(drawn):
                features[drawn] = self.examples.cold(features[drawn])
        return features

    def _left_out(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if self.left_out is not None:
            return self.left_out[rows]
        return self.examples.left_out_features(rows, self.end)
