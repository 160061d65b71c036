"""Reading interactions so that the safe call is the easy one: nothing at or after `as_of`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.moments import utc
from colisten.errors import TableError

INTERACTION_COLUMNS = ("user_id", "item_id", "item_type", "signal", "timestamp")


def read_interactions(
    folder: Path,
    *,
    as_of: datetime,
    since: datetime | None = None,
    columns: tuple[str, ...] = INTERACTION_COLUMNS,
) -> pa.Table:
    """Interactions with `since <= timestamp < as_of`, in file order.

    Args:
        folder: A folder that holds `interactions.parquet`.
        as_of: Moment before which events are seen; events at it are not.
        since: Earliest moment, inclusive; None reads from the beginning.

    Raises:
        TableError: The file is missing or a moment has no time zone.
    """
    file = folder / "interactions.parquet"
    if not file.exists():
        raise TableError(f"No interactions at {file}.")
    condition = pc.field("timestamp") < _moment(as_of)
    if since is not None:
        condition &= pc.field("timestamp") >= _moment(since)
    return parquet.read(file, columns=list(columns), filters=condition)


def _moment(moment: datetime) -> pa.Scalar:
    if moment.tzinfo is None:
        raise TableError(f"The moment {moment} has no time zone.", "Pass a UTC datetime.")
    return pa.scalar(utc(moment), type=pa.timestamp("us", tz="UTC"))
