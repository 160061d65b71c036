"""What each user had started as a release was made, for answers without a feature store.

A shelf of popular items must not hold what somebody had, and it is shown where the store does not
answer. So a release may carry, per hash of a user id, the places of the items in its catalogue:
no id, no time and no signal. `features.seen_in_release` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from colisten.errors import ReleaseError
from colisten.features.seen import HASH, id_hashes
from colisten.ranking.events import EventLog

USERS, OFFSETS, ITEMS = "seen_users.npy", "seen_offsets.npy", "seen_items.npy"
_USERS_AT_ONCE = 100_000


@dataclass(frozen=True, eq=False)
class SeenItems:
    """Items by user: user `u` has `items[offsets[u]:offsets[u + 1]]`.

    Attributes:
        users: Hashes of user ids, sorted, uint64 [U].
        offsets: int64 [U + 1].
        items: Catalogue indices, int32 [n].
    """

    users: np.ndarray
    offsets: np.ndarray
    items: np.ndarray

    @classmethod
    def none(cls) -> SeenItems:
        """Of nobody."""
        return cls(np.zeros(0, HASH), np.zeros(1, np.int64), np.zeros(0, np.int32))

    def of(self, user_id: str | None) -> np.ndarray:
        """What a user had started, int64 [n]; nothing of whom it does not know."""
        if user_id is None or not len(self.users):
            return np.zeros(0, np.int64)
        own = id_hashes([user_id])[0]
        at = int(np.searchsorted(self.users, own))
        if at == len(self.users) or self.users[at] != own:
            return np.zeros(0, np.int64)
        return self.items[self.offsets[at] : self.offsets[at + 1]].astype(np.int64)

    def without(self, user_id: str) -> SeenItems:
        """The same, of everybody else."""
        own = id_hashes([user_id])[0]
        kept = np.asarray(self.users) != own
        lengths = np.diff(self.offsets)
        offsets = np.append(0, np.cumsum(lengths[kept])).astype(np.int64)
        return SeenItems(
            np.asarray(self.users)[kept], offsets, np.asarray(self.items)[np.repeat(kept, lengths)]
        )

    def in_memory(self) -> SeenItems:
        """The same, no part of which is mapped from a file."""
        return SeenItems(*(np.array(part) for part in (self.users, self.offsets, self.items)))

    def write(self, folder: Path) -> None:
        """Write its three files."""
        for name, array in ((USERS, self.users), (OFFSETS, self.offsets), (ITEMS, self.items)):
            np.save(folder / name, array)

    @classmethod
    def read(cls, folder: Path) -> SeenItems:
        """Read what `write` wrote, mapped and not copied; nobody's where there is nothing.

        Raises:
            ReleaseError: The files do not fit each other.
        """
        if not (folder / USERS).exists():
            return cls.none()
        try:
            users, offsets, items = (
                np.load(folder / name, mmap_mode="r", allow_pickle=False)
                for name in (USERS, OFFSETS, ITEMS)
            )
        except (OSError, ValueError) as error:
            raise ReleaseError(f"Cannot read what users had in {folder}: {error}.") from error
        if len(offsets) != len(users) + 1 or offsets[-1] != len(items):
            raise ReleaseError(f"What users had in {folder} does not fit together.")
        return cls(users, offsets, items)


def seen_by_users(events: EventLog, as_of: datetime) -> SeenItems:
    """All that users had started of the recommended type strictly before a moment."""
    hashes, counts, items = [], [], []
    with events.tables(as_of) as tables:
        rows = tables.sql(
            "SELECT user_id, list_sort(list(DISTINCT local)) AS items "
            "FROM past JOIN candidates USING (item_id) WHERE is_start GROUP BY user_id"
        ).to_arrow_reader(_USERS_AT_ONCE)
        for batch in rows:
            hashes.append(id_hashes(batch.column("user_id").to_pylist()))
            counts.append(batch.column("items").value_lengths().to_numpy(zero_copy_only=False))
            items.append(batch.column("items").flatten().to_numpy(zero_copy_only=False))
    if not hashes:
        return SeenItems.none()
    users, lengths = np.concatenate(hashes), np.concatenate(counts).astype(np.int64)
    order = np.argsort(users, kind="stable")
    offsets = np.append(0, np.cumsum(lengths[order]))
    starts = np.append(0, np.cumsum(lengths))[:-1][order]
    at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths[order])
    places = np.concatenate(items)[at] + events.target.start
    return SeenItems(users[order], offsets, places.astype(np.int32))
