"""What a user had: every item of the recommended type that they ever started.

A model's history ends after `features.history_length` events, what a user had does not. So it is
kept apart, as 64-bit hashes of item ids, sorted: eight bytes a title, whatever the catalogue. That
two of a million ids share a hash has a chance of one in thirty million; such a title would not be
shown to whoever had the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

HASH = np.dtype("<u8")


def id_hashes(ids: Iterable[str]) -> np.ndarray:
    """The hash of each id, uint64 [n]: the same on every machine and in every release."""
    digests = [hashlib.blake2b(one.encode(), digest_size=HASH.itemsize).digest() for one in ids]
    return np.frombuffer(b"".join(digests), HASH)


def read_seen(stored: bytes | None) -> np.ndarray:
    """The hashes of a stored set, uint64 [n] and sorted; none where nothing is stored.

    Raises:
        ValueError: The bytes hold no whole number of hashes.
    """
    return np.frombuffer(stored or b"", HASH)


def with_item(stored: bytes | None, item_id: str) -> bytes | None:
    """The set with one more item; None where it holds the item already.

    Raises:
        ValueError: As `read_seen`.
    """
    held, own = read_seen(stored), id_hashes([item_id])
    at = int(np.searchsorted(held, own[0]))
    if at < len(held) and held[at] == own[0]:
        return None
    return b"".join((held[:at].tobytes(), own.tobytes(), held[at:].tobytes()))
