"""What benchmarks of experiments share: a world, shelves without a model, and users' outcomes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.experiments.dates import Dates
from colisten.experiments.exposure import MEAN_VISITS, simulate_exposures
from colisten.experiments.outcomes import user_outcomes
from colisten.simulator import Truth, WorldSettings, respond
from colisten.simulator.expected import Visits

DAYS = 14
HOURS = 72
TARGET = "audiobook"
SHELF = 10
_USERS_AT_A_TIME = 1_000


def visits_of(settings: WorldSettings) -> Visits:
    """Those of an experiment on the last fortnight of a world."""
    return Visits(settings.end_moment - timedelta(days=DAYS), DAYS, MEAN_VISITS, HOURS)


def shelves_of(world: Path) -> dict[str, pa.Table]:
    """Two shelves of every user: what is popular, and what they like best in truth."""
    truth = Truth.read(world / "truth")
    rows = np.flatnonzero(truth.item_types == TARGET)
    items, popular = truth.item_ids[rows], np.argsort(-truth.popularity[rows])[:SHELF]
    users, best = [], []
    for ids in truth.user_batches(_USERS_AT_A_TIME):
        liked = truth.utility(truth.users(ids), TARGET)
        users.append(ids)
        best.append(np.argsort(-liked, axis=1)[:, :SHELF])
    everybody = np.concatenate(users)
    return {
        "popular": shelf(everybody, np.tile(items[popular], (len(everybody), 1))),
        "personal": shelf(everybody, items[np.concatenate(best)]),
    }


def shelf(users: np.ndarray, items: np.ndarray) -> pa.Table:
    """Of users [u] the items [u, k], best first."""
    count = items.shape[1]
    return pa.table(
        {
            "user_id": pa.array(np.repeat(users, count), pa.string()),
            "item_id": pa.array(items.ravel(), pa.string()),
            "rank": np.tile(np.arange(1, count + 1), len(users)),
        }
    )


class Experiment:
    """One experiment in a world, shown and answered.

    Args:
        world: A simulated world.
        folder: Empty; holds its files.
        arms: By arm its shelf.
        visits: When users come.
        seed: Of assignment, visits and answers.
    """

    def __init__(
        self, world: Path, folder: Path, arms: dict[str, pa.Table], visits: Visits, seed: int
    ) -> None:
        files = {arm: folder / f"shelf-{number}.parquet" for number, arm in enumerate(arms)}
        for arm, file in files.items():
            parquet.write(arms[arm], file)
        shown = simulate_exposures(
            files,
            experiment=f"{folder.name}-{seed}",
            shares=dict.fromkeys(arms, 1 / len(arms)),
            start=visits.start,
            days=visits.days,
            release_id="none",
            seed=seed,
        )
        self._shown, self._done = folder / "exposures.parquet", folder / "interactions.parquet"
        self._organic = world / "interactions.parquet"
        parquet.write(shown, self._shown)
        parquet.write(respond(world / "truth", shown, seed=seed), self._done)
        self._start = visits.start

    def outcomes(self, until: datetime) -> pa.Table:
        """As they are known at a moment."""
        return user_outcomes(
            self._shown,
            [self._organic, self._done],
            target_type=TARGET,
            attribution_hours=HOURS,
            dates=Dates(self._start, until),
        )
