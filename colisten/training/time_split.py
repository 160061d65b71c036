"""Where in time the rows begin that the towers hold out; asked for when the graph is built, too."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from colisten.data.moments import from_microseconds


def split_in_time(
    times: NDArray[np.int64], share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows before and from the moment after which about `share` of the rows lie.

    Rows of one moment stay together. Both parts are empty of the other's moments; the second is
    empty where the rows span too little time to be split.

    Args:
        times: Ascending int64 [N].
        share: Share of rows held out.
    """
    every = np.arange(len(times))
    wanted = round(len(times) * share)
    if not wanted:
        return every, every[:0]
    first = int(np.searchsorted(times, times[-wanted], side="left"))
    if first == 0:
        first = int(np.searchsorted(times, times[0], side="right"))
    return (every[:first], every[first:])


def held_out_moment(streams: pa.ChunkedArray, share: float) -> datetime | None:
    """When the held-out rows begin, for a graph that ends there; None where none are held out.

    Args:
        streams: Moment of each training row, in any order.
        share: `towers.validation_share`.
    """
    times = np.sort(streams.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy())
    _, held_out = split_in_time(times, share) if len(times) else (times, times)
    if not len(held_out):
        return None
    return from_microseconds(times[held_out[0]])
