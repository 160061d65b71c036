"""What a user had done by each moment: one Ibis expression for DuckDB and for Spark."""

from __future__ import annotations

from typing import Any

import ibis

EPOCH = "1970-01-01 00:00:00"


def history_rows(events: Any, *, item_type: str, history_length: int) -> Any:
    """The last events of one item type, as of each moment at which a user did something.

    Args:
        events: Ibis table with user_id, item_id, item_type, signal and timestamp (with a zone),
            without exact duplicates.
        item_type: Item type whose events are kept.
        history_length: Events kept, the most recent ones.

    Returns:
        Ibis table, one row for every user and moment that has an event of the type:
        user_id; event_timestamp; item_ids, signals (lists of strings) and times (list of int64
        microseconds since 1970 UTC): the last `history_length` events up to and including the
        moment, ordered by time, item_id and signal. Rows come in no order.
    """
    start = ibis.timestamp(EPOCH, timezone="UTC")
    own = events.filter(events.item_type == item_type)
    own = own.select(
        "user_id",
        "item_id",
        "signal",
        "timestamp",
        time=own.timestamp.delta(start, unit="microsecond").cast("int64"),
    )
    # Each user's events are collected and sorted once, then cut at every moment: a list
    # collected over a sliding window would sort and copy them once more per moment. Structs
    # sort by their fields in order, on both engines.
    event = ibis.struct({"time": own.time, "item_id": own.item_id, "signal": own.signal})
    whole = own.group_by("user_id").aggregate(history=event.collect().sort())
    whole = whole.select(
        "user_id",
        items=whole.history.map(lambda event: event.item_id),
        marks=whole.history.map(lambda event: event.signal),
        moments=whole.history.map(lambda event: event.time),
    )
    seen = own.group_by("user_id", "timestamp").aggregate(events=own.count())
    so_far = ibis.window(group_by="user_id", order_by="timestamp", preceding=None, following=0)
    seen = seen.mutate(stop=seen.events.sum().over(so_far).cast("int64"))
    seen = seen.mutate(start=ibis.greatest(seen.stop - history_length, 0))
    joined = seen.inner_join(whole, "user_id")
    cut = slice(joined.start, joined.stop)
    return joined.select(
        "user_id",
        event_timestamp=joined.timestamp,
        item_ids=joined.items[cut],
        signals=joined.marks[cut],
        times=joined.moments[cut],
    )
