"""The truth of a simulated experiment lies beside it, and no report reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from colisten.data import parquet
from colisten.experiments.truth import TRUTH, TRUTH_TABLE, truth_of, write_truth
from colisten.json_files import read_mapping
from colisten.simulator import Truth, WorldSettings, simulate
from colisten.simulator.expected import CHANCES, SCHEMA, Visits

WORLD = WorldSettings(users=60, audiobooks=40, podcasts=40, days=40, seed=5)


def chances(*rows: tuple[float, ...]) -> pa.Table:
    users = pa.array([f"u{row}" for row in range(len(rows))])
    return pa.table([users, *map(pa.array, zip(*rows, strict=True))], schema=SCHEMA)


def test_means_and_lifts() -> None:
    said = truth_of(
        {
            "old": chances((0.2, 0.1, 0.0, 0.0), (0.4, 0.3, 0.0, 0.0)),
            "new": chances((0.3, 0.3, 0.2, 0.1), (0.6, 0.5, 0.2, 0.1)),
        },
        "old",
    )
    assert said["arms"]["old"] == pytest.approx(
        {"users": 2, **dict(zip(CHANCES, (0.3, 0.2, 0.0, 0.0), strict=True))}
    )
    lift = said["lifts"]["new"]
    assert lift["stream_rate"] == pytest.approx(0.5)
    assert lift["new_start_rate"] == pytest.approx(1.0)
    assert lift["caused_stream_rate"] is None, "nothing over nothing is no lift"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth") / "world"
    simulate(folder, WORLD)
    return folder


def test_it_is_written_of_every_user_under_every_arm(world: Path, tmp_path: Path) -> None:
    truth = Truth.read(world / "truth")
    users = next(truth.user_batches())
    shelves = {}
    for arm, count in (("few", 2), ("many", 8)):
        shelves[arm] = tmp_path / f"{arm}.parquet"
        shelf = pa.table(
            {
                "user_id": [user for user in users for _ in range(count)],
                "item_id": list(truth.item_ids[:count]) * len(users),
                "rank": list(range(1, count + 1)) * len(users),
            }
        )
        parquet.write(shelf, shelves[arm])
    said = write_truth(
        tmp_path,
        world / "truth",
        shelves,
        interactions=world / "interactions.parquet",
        visits=Visits(datetime(2025, 6, 16, tzinfo=UTC), 14, 3.0, 72),
        control="few",
    )
    assert said == read_mapping(tmp_path / TRUTH)
    assert said["lifts"]["many"]["new_start_rate"] > 0, "more titles are taken more often"
    table = parquet.read(tmp_path / TRUTH_TABLE).to_pandas()
    assert set(zip(table["user_id"], table["variant"], strict=True)) == {
        (user, arm) for user in users for arm in shelves
    }
    means = table.groupby("variant")["new_start_rate"].mean()
    for arm in shelves:
        assert said["arms"][arm]["new_start_rate"] == pytest.approx(means[arm])
