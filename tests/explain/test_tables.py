from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.explain.inputs import CheckedTables
from tests.conftest import CUT

STAMP = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("last", "days"),
    [
        (None, 0),
        (CUT, 1),
        (CUT + timedelta(hours=30), 2),
        (CUT + timedelta(days=2), 3),
        (CUT - timedelta(seconds=1), 0),
    ],
)
def test_the_window_holds_its_last_event(tmp_path: Path, last: datetime | None, days: int) -> None:
    moments = [] if last is None else [last]
    table = pa.table({"timestamp": pa.array(moments, STAMP)})
    pq.write_table(table, tmp_path / "interactions.parquet")
    assert CheckedTables(tmp_path, tmp_path, CUT).window_days == days
    assert CheckedTables(tmp_path, tmp_path / "gone", CUT).window_days == 0
