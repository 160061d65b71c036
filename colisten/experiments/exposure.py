"""Showing shelves to simulated users: the exposures table of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ReportError
from colisten.experiments.assignment import assign
from colisten.settings.shares import planned_shares

SURFACE = "home"
MEAN_VISITS = 3.0


def simulate_exposures(
    shelves: Mapping[str, Path],
    *,
    experiment: str,
    shares: Mapping[str, float],
    start: datetime,
    days: int,
    release_id: str,
    seed: int,
) -> pa.Table:
    """Every user visits a few times and is shown their arm's shelf.

    Args:
        shelves: Arm -> parquet with user_id, item_id and rank (from 1).
        experiment: Name that assignment depends on.
        shares: Arm -> share of users.
        start: UTC moment of the first possible visit.
        days: Length of the experiment.
        release_id: Release that the shelves came from.
        seed: Of visits and their moments.

    Returns:
        The exposures contract: request_id, user_id, variant, release_id, surface, item_id,
        position, timestamp, sorted by timestamp, request_id and position.

    Raises:
        ConfigError: The shares are no plan.
        ReportError: An arm has no shelf, or the shelves hold no user.
    """
    plan = planned_shares(shares)
    missing = [arm for arm in plan if arm not in shelves or not shelves[arm].is_file()]
    if missing:
        raise ReportError(f"Arms {missing} have no shelf.")
    frames = {arm: parquet.read(file).to_pandas() for arm, file in shelves.items()}
    users = sorted(set().union(*(frame["user_id"] for frame in frames.values())))
    if not users:
        raise ReportError("The shelves hold no user.")
    arms = pd.Series([assign(user, experiment=experiment, arms=plan) for user in users], users)
    rng = np.random.default_rng(seed)
    visits = rng.poisson(MEAN_VISITS, len(users))
    visitor = np.repeat(np.asarray(users, dtype=object), visits)
    moments = start + pd.to_timedelta(
        np.sort(rng.integers(0, int(timedelta(days=days).total_seconds()), len(visitor))), "s"
    )
    order = rng.permutation(len(visitor))
    requests = pd.DataFrame(
        {
            "request_id": [f"{experiment}-{number:08d}" for number in range(len(visitor))],
            "user_id": visitor[order],
            "timestamp": moments,
        }
    )
    requests["variant"] = arms.loc[requests["user_id"]].to_numpy()
    shown = pd.concat(
        requests[requests["variant"] == arm].merge(
            frame[["user_id", "item_id", "rank"]], on="user_id"
        )
        for arm, frame in frames.items()
    ).sort_values(["timestamp", "request_id", "rank"])
    return pa.table(
        {
            "request_id": pa.array(shown["request_id"], pa.string()),
            "user_id": pa.array(shown["user_id"], pa.string()),
            "variant": pa.array(shown["variant"], pa.string()),
            "release_id": pa.array([release_id] * len(shown), pa.string()),
            "surface": pa.array([SURFACE] * len(shown), pa.string()),
            "item_id": pa.array(shown["item_id"], pa.string()),
            "position": pa.array(shown["rank"], pa.int32()),
            "timestamp": pa.array(shown["timestamp"], pa.timestamp("us", tz="UTC")),
        }
    )
