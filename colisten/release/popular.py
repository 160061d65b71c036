"""Popular items, baked into the release: the last rung, which needs no user and no index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.interactions import read_interactions
from colisten.data.moments import days_from
from colisten.errors import ReleaseError
from colisten.files import write_aside

RECENT_DAYS = 90
COUNTRY_LENGTH = 1000


@dataclass(frozen=True)
class PopularLists:
    """Items by how many users streamed them lately.

    Attributes:
        everywhere: int64 [n_target], catalogue index of every target item, most popular first.
        countries: Per country the items streamed there, at most 1000, most popular first.
    """

    everywhere: np.ndarray
    countries: dict[str, np.ndarray]

    def of(self, country: str | None) -> np.ndarray:
        """All target items, those popular in `country` first; int64 [n_target]."""
        first = self.countries.get(country) if country is not None else None
        if first is None:
            return self.everywhere
        rest = self.everywhere[~np.isin(self.everywhere, first)]
        return np.concatenate([first, rest])

    def write(self, file: Path) -> None:
        """Write as parquet: one row for everywhere (country null) and one per country."""
        names = [None, *sorted(self.countries)]
        lists = [self.everywhere, *(self.countries[name] for name in sorted(self.countries))]
        table = pa.table(
            {
                "country": pa.array(names, pa.string()),
                "items": pa.array([items.tolist() for items in lists], pa.list_(pa.int32())),
            }
        )
        with write_aside(file) as aside:
            parquet.write(table, aside)

    @classmethod
    def read(cls, file: Path) -> PopularLists:
        """Read what `write` wrote.

        Raises:
            ReleaseError: The file is missing or holds no list for everywhere.
        """
        try:
            rows = parquet.read(file).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise ReleaseError(f"Cannot read popular lists from {file}: {error}.") from error
        lists = {row["country"]: np.array(row["items"], dtype=np.int64) for row in rows}
        if None not in lists:
            raise ReleaseError(f"{file} holds no list for everywhere.")
        return cls(lists.pop(None), lists)


def popular_lists(
    history: Path, item_ids: np.ndarray, target: slice, target_type: str, *, as_of: datetime
) -> PopularLists:
    """Rank target items by distinct streaming users of the 90 days before `as_of`.

    Ties go to more streaming users of all time, then to the lower index.

    Args:
        history: Checked tables.
        item_ids: object [num_items], the catalogue in order.
        target: Slice of the recommended type.
        target_type: Its name.
        as_of: Events at or after it are not seen.
    """
    events = read_interactions(
        history, as_of=as_of, columns=("user_id", "item_id", "item_type", "signal", "timestamp")
    )
    wanted = pc.and_(
        pc.equal(events.column("signal"), "stream"),
        pc.equal(events.column("item_type"), target_type),
    )
    events = events.filter(wanted)
    ids = pa.array(item_ids[target], pa.string())
    items = pc.index_in(events.column("item_id").cast(pa.string()), value_set=ids)
    known = pc.is_valid(items)
    events, items = events.filter(known), items.filter(known).to_numpy().astype(np.int64)
    n = len(ids)

    users = events.column("user_id").cast(pa.string()).combine_chunks().dictionary_encode()
    user = users.indices.to_numpy().astype(np.int64)
    recent = pc.greater_equal(
        events.column("timestamp"),
        pa.scalar(days_from(as_of, -RECENT_DAYS), events.column("timestamp").type),
    ).to_numpy()
    ever = np.bincount(np.unique(user * n + items) % n, minlength=n)
    # One key for each user and item, so that a user counts once.
    pairs = np.unique(user[recent] * n + items[recent])
    pair_items, pair_users = pairs % n, pairs // n
    lately = np.bincount(pair_items, minlength=n)
    everywhere = np.lexsort((np.arange(n), -ever, -lately))

    place = np.empty(n, np.int64)
    place[everywhere] = np.arange(n)
    codes, names = _countries(history, users.dictionary)
    countries = {}
    for code, name in enumerate(names):
        counts = np.bincount(pair_items[codes[pair_users] == code], minlength=n)
        order = np.lexsort((place, -counts))[: min(COUNTRY_LENGTH, int((counts > 0).sum()))]
        if order.size:
            countries[name] = order.astype(np.int64) + target.start
    return PopularLists(everywhere.astype(np.int64) + target.start, countries)


def _countries(history: Path, user_ids: pa.Array) -> tuple[np.ndarray, list[str]]:
    """Country code of each user (-1 unknown), int64, and the countries' names in order."""
    table = parquet.read(history / "users.parquet", columns=["user_id", "country"])
    found = pc.index_in(user_ids, value_set=table.column("user_id").cast(pa.string()))
    named = table.column("country").cast(pa.string()).take(found)
    if isinstance(named, pa.ChunkedArray):
        named = named.combine_chunks()
    names = sorted(name for name in pc.unique(named).to_pylist() if name is not None)
    codes = pc.fill_null(pc.index_in(named, value_set=pa.array(names, pa.string())), -1)
    codes = pc.if_else(pc.is_valid(named), codes, -1)
    return codes.to_numpy(zero_copy_only=False).astype(np.int64), names
