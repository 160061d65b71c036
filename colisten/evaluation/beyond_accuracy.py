"""What a list is made of, whoever reads it: popular or rare items, alike or different ones.

Accuracy alone rewards lists of what everybody streams. Over the first k items i of a user's list,
with s_i users who streamed i before the cut, S their sum and n the items of the target type:

    popularity = mean of log2(1 + s_i)                 average recommendation popularity, whose
                                                       excess is popularity bias (Abdollahpouri
                                                       et al. 2019)
    novelty    = mean of -log2((s_i + 1) / (S + n))    self-information in bits (Castells et al.
                                                       2015), one stream added to every item
    diversity  = 1 - mean pairwise cosine of texts     intra-list diversity (Ziegler et al. 2005)

None of them looks at targets. Items without text are left out of diversity; a list with fewer
than two items with text has none, and neither does an empty list have popularity or novelty.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from colisten.errors import EvaluationError

POPULARITY, NOVELTY, DIVERSITY = "popularity", "novelty", "diversity"
BEYOND_ACCURACY = (POPULARITY, NOVELTY, DIVERSITY)
_BLOCK = 1 << 14


@dataclass(frozen=True, eq=False)
class BeyondAccuracy:
    """What is known of the items of the target type.

    Attributes:
        streams: Users who streamed each item before the cut [num_target].
        text: Text vectors [num_target, d] of any length, a zero row for an item without text;
            None leaves diversity out.
    """

    streams: np.ndarray
    text: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.text is not None and len(self.text) != len(self.streams):
            raise EvaluationError(
                f"There are text vectors of {len(self.text):,} items and streams of "
                f"{len(self.streams):,}.",
                "Pass both for the items of the target type alone, in catalogue order.",
            )

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the measures, in order."""
        return BEYOND_ACCURACY if self.text is not None else BEYOND_ACCURACY[:2]

    def measure(self, lists: np.ndarray, k: int) -> np.ndarray:
        """The measures of each user's first k items, a block of users at a time.

        Args:
            lists: int [U, depth], best first; -1 where a list has ended.
            k: Items looked at.

        Returns:
            float64 [U, len(metrics)]; nan where a measure is undefined for a user.
        """
        out = np.full((len(lists), len(self.metrics)), np.nan)
        if not len(self.streams):
            return out
        for start in range(0, len(lists), _BLOCK):
            items = np.asarray(lists[start : start + _BLOCK, :k])
            measures = [self._mean(items, self._log_streams), self._mean(items, self._information)]
            if self.text is not None:
                measures.append(self._diversity(items))
            out[start : start + _BLOCK] = np.stack(measures, axis=1)
        return out

    @cached_property
    def _log_streams(self) -> np.ndarray:
        logs: np.ndarray = np.log2(1.0 + np.asarray(self.streams, np.float64))
        return logs

    @cached_property
    def _information(self) -> np.ndarray:
        streams = np.asarray(self.streams, np.float64)
        bits: np.ndarray = np.log2(streams.sum() + len(streams)) - np.log2(streams + 1.0)
        return bits

    @cached_property
    def _scales(self) -> np.ndarray:
        """1 / length of each text vector, 0 for a zero row."""
        lengths = np.linalg.norm(np.asarray(self.text), axis=1)
        scales: np.ndarray = np.where(lengths > 0, 1.0 / np.where(lengths > 0, lengths, 1.0), 0.0)
        return scales

    @staticmethod
    def _mean(items: np.ndarray, of: np.ndarray) -> np.ndarray:
        shown = items >= 0
        counts = shown.sum(axis=1)
        sums = np.where(shown, of[items], 0.0).sum(axis=1)
        means: np.ndarray = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return means

    def _diversity(self, items: np.ndarray) -> np.ndarray:
        """By |sum of m unit vectors|^2 = m + twice the sum over pairs, so pairs are never made."""
        assert self.text is not None
        total = np.zeros((len(items), self.text.shape[1]))
        counts = np.zeros(len(items), dtype=np.int64)
        for place in range(items.shape[1]):
            at = items[:, place]
            scale = np.where(at >= 0, self._scales[at], 0.0)
            total += np.asarray(self.text[at], np.float64) * scale[:, None]
            counts += scale > 0
        pairs = counts * (counts - 1)
        similar = (total * total).sum(axis=1) - counts
        diversity: np.ndarray = np.where(pairs > 0, 1.0 - similar / np.maximum(pairs, 1), np.nan)
        return diversity
