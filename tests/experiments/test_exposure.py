from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.errors import ReportError
from colisten.experiments.assignment import assign
from colisten.experiments.exposure import simulate_exposures

START = datetime(2025, 6, 16, tzinfo=UTC)
SHARES = {"popularity": 0.5, "2T": 0.5}


def shelves(folder: Path) -> dict[str, Path]:
    files = {}
    for arm in SHARES:
        rows = [
            {"user_id": f"u{user}", "item_id": f"{arm}-{rank}", "rank": rank}
            for user in range(200)
            for rank in (1, 2, 3)
        ]
        files[arm] = folder / f"{arm}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), files[arm])
    return files


def show(files: dict[str, Path], seed: int = 0) -> pa.Table:
    return simulate_exposures(
        files,
        experiment="shelf",
        shares=SHARES,
        start=START,
        days=14,
        release_id="r1",
        seed=seed,
    )


def test_each_user_sees_only_their_arm(tmp_path: Path) -> None:
    rows = show(shelves(tmp_path)).to_pylist()
    assert len(rows) > 600
    for row in rows:
        assert row["variant"] == assign(row["user_id"], experiment="shelf", arms=SHARES)
        assert row["item_id"] == f"{row['variant']}-{row['position']}"
        assert START <= row["timestamp"] < START + timedelta(days=14)


def test_a_request_is_one_whole_shelf(tmp_path: Path) -> None:
    table = show(shelves(tmp_path)).to_pandas()
    positions = table.groupby("request_id")["position"].apply(list)
    assert (positions.map(tuple) == (1, 2, 3)).all()
    assert (table.groupby("request_id")["user_id"].nunique() == 1).all()


def test_equal_seeds_show_the_same(tmp_path: Path) -> None:
    files = shelves(tmp_path)
    assert show(files).equals(show(files))
    assert not show(files).equals(show(files, seed=1))


def test_an_arm_without_shelf_is_an_error(tmp_path: Path) -> None:
    files = shelves(tmp_path)
    del files["2T"]
    with pytest.raises(ReportError, match="2T"):
        show(files)
