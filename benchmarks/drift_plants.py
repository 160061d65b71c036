"""What may go wrong in a week, planted into a world of `benchmarks.drift_worlds`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.drift_worlds import Texts, World
from colisten.monitoring.check import Check, Kind
from colisten.monitoring.checks import TASTE, table_checks
from colisten.monitoring.profile import WindowProfile
from colisten.monitoring.skew import skew_shares


@dataclass
class Week:
    """A week as it is about to be judged.

    Attributes:
        world, texts: Whose week it is.
        frame: Users who came.
        table: The users table.
        served: The users' features as serving read them.
        vectors: float32 [items, dim], text vectors of the week.
        feature_age: Days by which features end before the week.
        rng: Draws what is planted.
    """

    world: World
    texts: Texts
    frame: pd.DataFrame
    table: pd.DataFrame
    served: pd.DataFrame
    vectors: np.ndarray
    rng: np.random.Generator
    feature_age: float | None = None

    @classmethod
    def of(cls, world: World, texts: Texts, seed: int) -> Week:
        """The next week of a world, as it comes."""
        table = world.table().copy()
        frame = world.listened()
        served = frame.copy()
        return cls(
            world, texts, frame, table, served, texts.vectors, np.random.default_rng([seed, 1])
        )

    def profile(self) -> WindowProfile:
        """Its profile."""
        profile = self.world.profile(self.frame, self.table)
        ages = profile.ages
        if self.feature_age is not None:
            ages = ages | {"features": self.feature_age}
        return profile.model_copy(
            update={"ages": ages, "skew": skew_shares(self.served, self.frame)}
        )

    def checks(self, earlier: list[WindowProfile], now: WindowProfile) -> list[Check]:
        """All checks of the week beside earlier ones."""
        return [*self.texts.checks(self.vectors), *table_checks(earlier, now)]


def nulls(week: Week) -> None:
    """A fifth of users lose their age."""
    gone = set(week.table["user_id"][week.rng.random(len(week.table)) < 0.2])
    for each in (week.frame, week.table, week.served):
        each.loc[each["user_id"].isin(gone), "age"] = np.nan


def users_gone(week: Week) -> None:
    """One user in twenty of the second country is in no table any more."""
    country = week.table["country"] == "DE"
    gone = set(week.table["user_id"][country & (week.rng.random(len(week.table)) < 0.05)])
    week.frame = week.frame[~week.frame["user_id"].isin(gone)]
    week.table = week.table[~week.table["user_id"].isin(gone)]


def permuted(week: Week) -> None:
    """Text vectors stand at other items."""
    week.vectors = week.vectors[week.rng.permutation(len(week.vectors))]


def zeroed(week: Week) -> None:
    """Text vectors of a tenth of the items are zero."""
    week.vectors = np.where(week.rng.random((len(week.vectors), 1)) < 0.1, 0, week.vectors)


def stale(week: Week) -> None:
    """Features end 14 days before the week does."""
    week.feature_age = 14.0


def skewed(week: Week) -> None:
    """Serving reads ages a tenth too high, as if another year were subtracted."""
    week.served["age"] = 1.1 * week.served["age"]


def halved(week: Week) -> None:
    """Half of all events are not there."""
    names = [name for name in week.frame if str(name).endswith("_events")]
    for name in names:
        counts = week.frame[name].to_numpy().astype(np.int64)
        week.frame[name] = week.rng.binomial(counts, 0.5).astype(float)
    week.frame = week.frame[week.frame[names].sum(axis=1) > 0]
    week.served = week.frame.copy()


def taste(week: Week) -> None:
    """What is listened to moves by .3 standard deviations along one axis."""
    name = f"{TASTE}0"
    week.frame[name] += 0.3 * week.frame[name].std()
    week.served = week.frame.copy()


PLANTS: dict[str, tuple[Callable[[Week], None], Kind, str]] = {
    "nulls": (nulls, "nulls", "20 % of ages missing"),
    "users_gone": (users_gone, "users_gone", "5 % of one country's users gone"),
    "permuted": (permuted, "text_vectors", "text vectors permuted"),
    "zeroed": (zeroed, "text_vectors", "a tenth of text vectors zero"),
    "stale": (stale, "stale", "features 14 days stale"),
    "skewed": (skewed, "skew", "one feature skewed between training and serving"),
    "halved": (halved, "volume", "half the events"),
    "taste": (taste, "taste", "taste moved by .3 standard deviations"),
}
"""By name what is planted, the cause that must be named first, and both in words."""
