"""The senders' own names of a user's latest events, so that one sent twice counts once.

An event without such a name is known again by all that it says. With one it is also known by that:
a sender that stamps an event anew each time it sends it does not count it twice. Kept are the
64-bit hashes of the latest ids in the order of arrival, eight bytes each.
"""

from __future__ import annotations

import numpy as np

from colisten.features.seen import id_hashes, read_seen

MOST = 256
"""Events of a user whose ids are known again."""


def holds(stored: bytes | None, event_id: str) -> bool:
    """Whether an id is among those stored; raises ValueError where they are damaged."""
    return bool(np.isin(id_hashes([event_id]), read_seen(stored))[0])


def with_id(stored: bytes | None, event_id: str) -> bytes:
    """The latest ids with one more; raises ValueError where they are damaged."""
    return b"".join((read_seen(stored)[1 - MOST :].tobytes(), id_hashes([event_id]).tobytes()))
