"""Users of a service week by week, as plain tables, and what may go wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from colisten.monitoring.bins import Bins
from colisten.monitoring.check import Check
from colisten.monitoring.checks import TASTE
from colisten.monitoring.profile import WindowProfile, profile_columns
from colisten.monitoring.text_check import Fingerprints, text_checks
from colisten.monitoring.window_tables import volumes

COUNTRIES = ("SE", "DE", "US", "MX")
_SHARES = (0.4, 0.3, 0.2, 0.1)
_START = datetime(2024, 1, 1, tzinfo=UTC)
_WEEK = timedelta(days=7)
_AXES = 4
_ITEMS, _DIM, _SENTENCES = 400, 384, 8


@dataclass
class World:
    """Users who come and listen, more of them every week, with weeks that differ.

    Registered users grow by about 1 % a week. A week has a season (10 % over the year) and a shock
    of its own (3 %). Users differ in how often they come, how much they do and what they like, and
    keep that from week to week.

    Args:
        seed: Of all that is drawn.
        users: Registered in the first week.
    """

    seed: int
    users: int = 6_000
    bins: dict[str, Bins] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._people = pd.DataFrame()
        self._people = self._drawn(self.users)
        self.week = 0

    def table(self) -> pd.DataFrame:
        """The users table of the week."""
        return pd.DataFrame({name: self._people[name] for name in ("user_id", "country", "age")})

    def listened(self) -> pd.DataFrame:
        """Users who came in the week, as `WindowTables.frame` gives them; the next week begins."""
        rng, people = self._rng, self._people
        season = 1 + 0.1 * np.sin(2 * np.pi * self.week / 52)
        shock = np.exp(rng.normal(0, 0.03))
        rate = people["rate"].to_numpy() * season * shock
        books, shows = rng.poisson(0.4 * rate), rng.poisson(rate)
        came = (books + shows) > 0
        frame = people.loc[came, ["user_id", "country", "age"]].copy()
        frame["audiobook_events"] = books[came].astype(float)
        frame["podcast_events"] = shows[came].astype(float)
        for axis in range(_AXES):
            liked = people.loc[came, f"taste {axis}"].to_numpy()
            frame[f"{TASTE}{axis}"] = 0.8 * liked + 0.6 * rng.normal(size=len(frame))
        self.week += 1
        more = self._drawn(rng.poisson(0.01 * len(people)))
        self._people = pd.concat([people, more], ignore_index=True)
        frame.index = pd.RangeIndex(len(frame))
        return pd.DataFrame(frame)

    def profile(self, frame: pd.DataFrame, table: pd.DataFrame) -> WindowProfile:
        """The profile of the week that `listened` gave last."""
        until = _START + self.week * _WEEK
        columns = profile_columns(frame.drop(columns="user_id"), self.bins)
        self.bins = {name: one.bins for name, one in columns.items()} | self.bins
        return WindowProfile(
            since=until - _WEEK,
            until=until,
            rows=len(frame),
            columns=columns,
            volume=volumes(frame),
            registered=table["country"].fillna("unknown country").value_counts().to_dict(),
            tables={"users": table.drop(columns="user_id").isna().mean().to_dict()},
            ages={
                "tables": self._rng.uniform(0, 0.1),
                "features": self._rng.uniform(0, 0.2),
                "release": 7.0,
            },
        )

    def _drawn(self, count: int) -> pd.DataFrame:
        rng = self._rng
        at = len(self._people)
        people = {
            "user_id": [f"u{at + one}" for one in range(count)],
            "country": rng.choice(COUNTRIES, count, p=_SHARES),
            "age": np.where(rng.random(count) < 0.05, np.nan, rng.normal(36, 11, count).round()),
            "rate": rng.gamma(1.2, 2.0, count),
        }
        return pd.DataFrame(people | {f"taste {a}": rng.normal(size=count) for a in range(_AXES)})


class Texts:
    """Items with texts and vectors that stay as they are.

    Args:
        seed: Of the vectors.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.vectors = _units(rng, _ITEMS)
        self._golden = _units(rng, _SENTENCES)
        self._before = self._marks(self.vectors)

    def checks(self, vectors: np.ndarray) -> list[Check]:
        """What the text check says of a week's vectors, float32 [items, dim]."""
        return [*text_checks(self._before, self._marks(vectors))]

    def _marks(self, vectors: np.ndarray) -> Fingerprints:
        ids = [f"i{at}" for at in range(len(vectors))]
        return Fingerprints.of(ids, [f"text of {one}" for one in ids], vectors, self._golden)


def _units(rng: np.random.Generator, rows: int) -> np.ndarray:
    drawn = rng.normal(size=(rows, _DIM))
    units: np.ndarray = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return units
