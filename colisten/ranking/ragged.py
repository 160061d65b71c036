"""Lists of different length in two flat arrays: targets and exclusions of many users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Ragged:
    """One list of item positions per row.

    Row `r` holds `values[offsets[r]:offsets[r + 1]]`, ascending and without repeats.

    Attributes:
        offsets: int64 [num_rows + 1], from 0 to n.
        values: int32 [n].
    """

    offsets: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        values: np.ndarray = self.values[self.offsets[row] : self.offsets[row + 1]]
        return values

    @property
    def counts(self) -> np.ndarray:
        """Length of each list, int64 [num_rows]."""
        counts: np.ndarray = np.diff(self.offsets)
        return counts

    @property
    def rows(self) -> np.ndarray:
        """The row of each value, int64 [n]."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.counts)

    def take(self, rows: np.ndarray) -> Ragged:
        """The lists of some rows (int64 [R], repeats allowed), in that order."""
        counts = self.counts[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        shift = np.repeat(self.offsets[:-1][rows] - offsets[:-1], counts)
        return Ragged(offsets, self.values[np.arange(offsets[-1], dtype=np.int64) + shift])

    @classmethod
    def of(cls, rows: np.ndarray, values: np.ndarray, num_rows: int) -> Ragged:
        """Gather (row, value) pairs, in any order, repeats dropped."""
        width = int(values.max()) + 1 if len(values) else 1
        keys = np.unique(np.asarray(rows, np.int64) * width + np.asarray(values, np.int64))
        counts = np.bincount(keys // width, minlength=num_rows)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        return cls(offsets, (keys % width).astype(np.int32))

    @classmethod
    def empty(cls, num_rows: int) -> Ragged:
        """`num_rows` empty lists."""
        return cls(np.zeros(num_rows + 1, np.int64), np.zeros(0, np.int32))
