"""Training rows of the towers as a table: their order, their items, their users."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from colisten.data.catalogue import Catalogue
from colisten.errors import TrainingError
from colisten.models.items import ItemBlocks


def in_order(rows: pa.Table) -> pa.Table:
    """Training rows by time, then user, then item.

    Raises:
        TrainingError: A key column is missing or holds a null.
    """
    keys = ("timestamp", "user_id", "item_id")
    for name in keys:
        if name not in rows.column_names or rows.column(name).null_count:
            raise TrainingError(
                f"Training rows have no complete column '{name}'.",
                "Read them with colisten.features.store.training_rows.",
            )
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in keys])
    return rows.take(order).combine_chunks()


def target_items(
    rows: pa.Table, catalogue: Catalogue, blocks: ItemBlocks, target_type: str
) -> NDArray[np.int64]:
    """The item of each row [N], counted from the start of the target type's slice.

    Raises:
        TrainingError: There is no row, a row's item is not of the target type, or the blocks do
            not fit the catalogue.
    """
    if not rows.num_rows:
        raise TrainingError(
            f"There are no training rows: nobody started a {target_type} before the cut.",
            "Choose a later cut, other data, or what counts as a start: data.start_signals.",
        )
    if blocks.num_items != catalogue.num_items:
        raise TrainingError(
            f"Item blocks hold {blocks.num_items} items, the catalogue {catalogue.num_items}.",
            "Compute the vectors for the catalogue of the same history folder.",
        )
    target = catalogue.slice_of(target_type)
    items = catalogue.index_of(rows.column("item_id").to_pylist())
    foreign = np.flatnonzero((items < target.start) | (items >= target.stop))
    if foreign.size:
        raise TrainingError(
            f"{foreign.size} training rows are about items that are no {target_type} of the "
            f"catalogue; the first is '{rows.column('item_id')[int(foreign[0])]}'.",
            "Build rows and catalogue from the same history folder.",
        )
    local: NDArray[np.int64] = items - target.start
    return local


def rows_of(wanted: NDArray[np.object_], user_ids: NDArray[np.object_]) -> NDArray[np.int64]:
    """Row of each wanted user in `user_ids`; raises TrainingError where one is not there."""
    rows = np.asarray(pd.Index(user_ids, dtype=object).get_indexer(pd.Index(wanted)), np.int64)
    if (rows < 0).any():
        raise TrainingError(
            f"The whole histories lack user '{wanted[int(np.argmin(rows))]}', who has an example.",
            "Build rows and whole histories from the same feature folder and moment.",
        )
    return rows


def music_dim(rows: pa.Table) -> int:
    """Length of the longest music vector; 0 where there are none."""
    if "music_vector" not in rows.column_names or pa.types.is_null(
        rows.schema.field("music_vector").type
    ):
        return 0
    return int(pc.max(pc.list_value_length(rows.column("music_vector"))).as_py() or 0)
