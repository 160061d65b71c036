"""What a history should be, in the plainest words."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from colisten.features.names import history_columns

MOMENT = pa.timestamp("us", tz="UTC")


def events_table(events: pd.DataFrame) -> pa.Table:
    """Events as the checked table: sorted, without exact duplicates."""
    columns = ["user_id", "item_id", "item_type", "signal", "timestamp"]
    frame = events[columns].drop_duplicates()
    frame = frame.sort_values(["timestamp", "user_id", "item_id", "signal"])
    schema = pa.schema([*((name, pa.string()) for name in columns[:4]), ("timestamp", MOMENT)])
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False)


def history_of(
    events: pd.DataFrame, user_id: str, item_type: str, before: pd.Timestamp, length: int
) -> dict[str, list[object]]:
    """The last `length` events of a user and type strictly before a moment."""
    mine = events[
        (events.user_id == user_id) & (events.item_type == item_type) & (events.timestamp < before)
    ].drop_duplicates()
    mine = mine.sort_values(["timestamp", "item_id", "signal"]).tail(length)
    ids, signals, times = history_columns(item_type)
    return {
        ids: mine.item_id.tolist(),
        signals: mine.signal.tolist(),
        times: [int(moment.value // 1000) for moment in mine.timestamp],
    }
