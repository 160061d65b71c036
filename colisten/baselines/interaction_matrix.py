"""Interactions of users and items as one sparse matrix: what every baseline learns from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from scipy import sparse

from colisten.ranking.events import EventLog
from colisten.ranking.ragged import Ragged

_NEWEST = """
    SELECT user_id, place, epoch_us(max(timestamp)) AS newest
    FROM past JOIN places USING (item_id, item_type)
    GROUP BY user_id, place ORDER BY user_id, place
"""


@dataclass(frozen=True, eq=False)
class InteractionMatrix:
    """Users by items of all types, each pair once, whatever the signal.

    Attributes:
        matrix: float32 ones [U, num_items].
        times: int64 [nnz], microseconds of each pair's newest event, in the matrix's order.
        user_ids: object [U], ascending.
        target: Where the recommended type lies among the items.
        text: Text vectors of the items [num_items, d], where there are any.
    """

    matrix: sparse.csr_matrix
    times: np.ndarray
    user_ids: np.ndarray
    target: slice
    text: np.ndarray | None = None

    @classmethod
    def read(
        cls, events: EventLog, as_of: datetime, text: np.ndarray | None = None
    ) -> InteractionMatrix:
        """Every event before `as_of` on an item of the catalogue.

        Raises:
            EvaluationError: A folder has no interactions or `as_of` has no time zone.
        """
        catalogue = events.catalogue
        places = pa.table(
            {
                "item_id": pa.array(catalogue.item_ids, pa.string()),
                "item_type": pa.array(catalogue.item_types, pa.string()),
                "place": np.arange(len(catalogue), dtype=np.int64),
            }
        )
        with events.tables(as_of) as tables:
            tables.register("places", places)
            pairs = tables.sql(_NEWEST).to_arrow_table()
        coded = pairs.column("user_id").combine_chunks().dictionary_encode()
        rows = coded.indices.to_numpy()
        user_ids = np.empty(len(coded.dictionary), dtype=object)
        user_ids[:] = coded.dictionary.to_pylist()
        items = pairs.column("place").to_numpy()
        matrix = sparse.csr_matrix(
            (np.ones(len(rows), np.float32), (rows, items)),
            shape=(len(user_ids), len(catalogue)),
        )
        times = pairs.column("newest").to_numpy()
        return cls(matrix, times, user_ids, events.target, text)

    @property
    def num_target(self) -> int:
        """Items of the recommended type."""
        return int(self.target.stop) - int(self.target.start)

    def rows_of(self, user_ids: np.ndarray) -> np.ndarray:
        """Row of each user, int64 [B]; -1 for those without an event."""
        if not len(self.user_ids):
            return np.full(len(user_ids), -1, dtype=np.int64)
        wanted = np.asarray(user_ids, dtype=object)
        at = np.minimum(np.searchsorted(self.user_ids, wanted), len(self.user_ids) - 1)
        return np.where(self.user_ids[at] == wanted, at, -1).astype(np.int64)

    def target_events(self) -> tuple[np.ndarray, np.ndarray]:
        """Item (within the target) and time of each interaction with the target type."""
        items = self.matrix.indices
        own = (items >= self.target.start) & (items < self.target.stop)
        return items[own].astype(np.int64) - self.target.start, self.times[own]

    def listened(self) -> Ragged:
        """Touched target items per user."""
        part = self.matrix[:, self.target]
        return Ragged(part.indptr.astype(np.int64), part.indices.astype(np.int32))
