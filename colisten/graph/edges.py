"""Who touched what, and which items share listeners, as Ibis expressions over integers.

DuckDB on one machine and Spark on a cluster give the same rows: everything that is added up is
an integer, since a sum of floats depends on the order of rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from colisten.data.moments import days_from, utc
from colisten.settings.sections import GraphSettings

# One co-listener's full share, in millionths.
WHOLE = 1_000_000
DAY_SECONDS = 86_400


def touched_items(
    events: ibis.Table,
    items: ibis.Table,
    settings: GraphSettings,
    *,
    as_of: datetime,
    type_starts: tuple[int, ...],
    left_out: ibis.Table | None = None,
) -> ibis.Table:
    """One row per user and item that counts: user_id, item, first, day, share; unordered.

    Args:
        events: user_id, item_id, signal, timestamp; other columns are ignored.
        items: item_id and its catalogue index `item`, int32. Events of other items do not count.
        type_starts: First index of each item type, ascending; equal where a type is empty.
        left_out: Users (user_id) that do not count.

    Returns:
        `first` is the moment of the first touch, `day` the day of the last in days since 1970,
        `share` what the user adds to the strength of each of their pairs, in millionths.
    """

    def kind_of(item: Any) -> Any:
        kind = ibis.literal(0, "int32")
        for start in type_starts[1:]:
            kind = kind + (item >= start).cast("int32")
        return kind

    moment = utc(as_of)
    seen = events.filter(events.timestamp < _literal(moment))
    if settings.signals is not None:
        seen = seen.filter(seen.signal.isin(settings.signals))
    if settings.window_days is not None:
        since = days_from(moment, -settings.window_days)
        seen = seen.filter(seen.timestamp >= _literal(since))
    if left_out is not None:
        seen = seen.anti_join(left_out, "user_id")
    touched = (
        seen.join(items, "item_id")
        .group_by("user_id", "item")
        .agg(first=lambda t: t.timestamp.min(), last=lambda t: t.timestamp.max())
        .mutate(kind=lambda t: kind_of(t.item))
    )
    # A heavy user's bill is quadratic, so only the most recent items of each type count.
    recent = touched.mutate(
        place=ibis.row_number().over(
            group_by=["user_id", "kind"], order_by=[ibis.desc("last"), "item"]
        )
    ).filter(lambda t: t.place < settings.max_items_per_user)
    items_of_user = ibis._.count().over(group_by="user_id")
    share = (
        (WHOLE // ibis.greatest(items_of_user - 1, 1)).cast("int64")
        if settings.weights == "user_share"
        else ibis.literal(WHOLE, "int64")
    )
    day = (recent["last"].truncate("D").epoch_seconds() // DAY_SECONDS).cast("int32")
    return recent.mutate(day=day, share=share).select("user_id", "item", "first", "day", "share")


def colistening_pairs(
    touched: ibis.Table, settings: GraphSettings, *, as_of: datetime
) -> ibis.Table:
    """Pairs of items with enough common users: source < target, strength, since; unordered.

    Args:
        touched: As `touched_items` gives it.

    Returns:
        `strength` is in millionths; `since` is the first moment at which a user had touched both.
    """
    left = touched.select("user_id", "share", "first", "day", source="item")
    right = touched.select(
        other_user="user_id", other_first="first", other_day="day", target="item"
    )
    # Each unordered pair is counted once; its reverse is the same.
    pairs = left.join(right, [left.user_id == right.other_user, left.source < right.target])
    added = pairs.share
    if settings.half_life_days is not None:
        factors = decay_factors(as_of, settings.half_life_days)
        decay = ibis.memtable(
            pa.table({"known_day": np.arange(len(factors), dtype=np.int32), "factor": factors})
        )
        pairs = pairs.mutate(since_day=ibis.least(pairs.day, pairs.other_day))
        pairs = pairs.join(decay, pairs.since_day == decay.known_day)
        added = pairs.share * pairs.factor // WHOLE
    return (
        pairs.mutate(
            added=added.cast("int64"), since=ibis.greatest(pairs["first"], pairs.other_first)
        )
        .group_by("source", "target")
        .agg(
            colisteners=lambda t: t.count(),
            strength=lambda t: t.added.sum(),
            since=lambda t: t.since.min(),
        )
        .filter(lambda t: t.colisteners >= settings.min_colisteners)
        .select("source", "target", "strength", "since")
    )


def decay_factors(as_of: datetime, half_life_days: float) -> np.ndarray:
    """What a co-listening adds by its day, in millionths: int64 by days since 1970.

    A user's co-listening of a pair is as old as the older of their last touches of its items.
    """
    today = int(as_of.timestamp() // DAY_SECONDS)
    age = today - np.arange(today + 1)
    factors: np.ndarray = np.rint(WHOLE * 0.5 ** (age / half_life_days)).astype(np.int64)
    # What was ever listened to together leaves a trace.
    factors[factors < 1] = 1
    return factors


def _literal(moment: datetime) -> Any:
    return ibis.literal(moment, type="timestamp('UTC')")
