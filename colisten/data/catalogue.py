"""The catalogue as of the cut: every item, in the one order that all arrays share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import TableError
from colisten.words import known_word


@dataclass(frozen=True)
class Catalogue:
    """Items sorted by (item_type, item_id); an item's index is its row.

    Attributes:
        table: One row per item with the columns of `history/items.parquet`.
    """

    table: pa.Table

    @classmethod
    def read(cls, history: Path) -> Catalogue:
        """Read `items.parquet` of a checked history folder.

        Raises:
            TableError: The file is missing or out of order.
        """
        file = history / "items.parquet"
        if not file.exists():
            raise TableError(f"No items at {file}.", "Run `colisten run`, which writes it.")
        catalogue = cls(parquet.read(file))
        keys = list(zip(catalogue.item_types, catalogue.item_ids, strict=True))
        if keys != sorted(keys):
            raise TableError(f"{file} is not sorted by item_type and item_id.")
        return catalogue

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def num_items(self) -> int:
        """Items of all types."""
        return len(self)

    @cached_property
    def item_ids(self) -> np.ndarray:
        """Item ids, object array [num_items]."""
        return self._strings("item_id")

    @cached_property
    def item_types(self) -> np.ndarray:
        """Item types, object array [num_items]."""
        return self._strings("item_type")

    @cached_property
    def titles(self) -> np.ndarray:
        """Titles, object array [num_items]; None where there is none."""
        return self._strings("title")

    @cached_property
    def languages(self) -> np.ndarray:
        """Languages, object array [num_items]; None where unknown."""
        return self._strings("language")

    def slice_of(self, item_type: str) -> slice:
        """The contiguous range of one type's items.

        Raises:
            ConfigError: The catalogue has no item of that type.
        """
        known_word("Item type", item_type, sorted(set(self.item_types)))
        rows = np.flatnonzero(self.item_types == item_type)
        return slice(int(rows[0]), int(rows[-1]) + 1)

    def index_of(self, ids: np.ndarray | pa.Array | list[str]) -> np.ndarray:
        """Index of each id, int64; -1 where the catalogue has no such item."""
        return np.asarray(self._index.get_indexer(pd.Index(ids, dtype=object)), dtype=np.int64)

    @cached_property
    def _index(self) -> pd.Index:
        index: pd.Index = pd.Index(self.item_ids, dtype=object)
        return index

    def _strings(self, column: str) -> np.ndarray:
        values = self.table.column(column).to_pylist()
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out
