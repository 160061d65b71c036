"""Popular items, baked into the release: the last rung, which needs no user and no index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ReleaseError
from colisten.files import write_aside
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import (
    PopularityRule,
    country_orders,
    own_popularity,
    popular_order,
)

COUNTRY_LENGTH = 1000


@dataclass(frozen=True)
class PopularLists:
    """Items by how many users started them lately; of countries by `PopularityRule`.

    Attributes:
        everywhere: int64 [n_target], catalogue index of every target item, most popular first.
        countries: Per country with enough listeners the items with enough of them there, at most
            1000, most popular first.
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


def popular_lists(events: EventLog, as_of: datetime, rule: PopularityRule) -> PopularLists:
    """Rank target items as `colisten.ranking.popularity` does, for all users and by country.

    Args:
        events: Checked tables and the catalogue.
        as_of: Events at or after it are not seen.
        rule: What counts, and how many listeners a list and a title need.
    """
    everywhere = popular_order(events, as_of, rule)
    # A popularity of the tables' own knows no country.
    own = own_popularity(events, as_of) is not None
    local = {} if own else country_orders(events, as_of, rule, everywhere)
    start = events.target.start
    return PopularLists(
        everywhere + start,
        {name: items[:COUNTRY_LENGTH] + start for name, items in local.items()},
    )
