"""A step in a container of one gigabyte and one core: it spills, or says before what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.json_files import parse_json

GIB = 1 << 30
ROOT = Path(__file__).parents[2]
MOUNTED = Path("/sys/fs/cgroup")
START = datetime(2025, 1, 1, tzinfo=UTC)
TITLES, EVENTS_A_USER = 20_000, 12
# More than half of a gigabyte by what a touch takes while pairs are counted in memory.
USERS = 500_000


@pytest.fixture
def groups() -> Iterator[list[Path]]:
    """Groups of the kernel's own, of a gigabyte and of one core."""
    second = not (MOUNTED / "memory").is_dir()
    limits = (
        [("", {"memory.max": GIB, "memory.swap.max": 0, "cpu.max": "100000 100000"})]
        if second
        else [
            ("memory", {"memory.limit_in_bytes": GIB}),
            ("cpu", {"cpu.cfs_period_us": 100_000, "cpu.cfs_quota_us": 100_000}),
        ]
    )
    made = []
    try:
        for controller, files in limits:
            folder = MOUNTED / controller / f"colisten-step-{os.getpid()}"
            folder.mkdir()
            made.append(folder)
            for name, limit in files.items():
                if name != "memory.swap.max" or (folder / name).exists():
                    (folder / name).write_text(str(limit))
    except OSError as error:
        for folder in made:
            folder.rmdir()
        pytest.skip(f"No group of the kernel can be made here: {error}.")
    yield made
    for folder in made:
        folder.rmdir()


def write_history(folder: Path, users: int) -> Path:
    """Checked tables of so many users with a dozen events each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = users * EVENTS_A_USER
    ids = np.array([f"i{number:05d}" for number in range(TITLES)])
    kinds = np.where(np.arange(TITLES) < TITLES // 2, "audiobook", "podcast")
    stamp = pa.timestamp("us", tz="UTC")
    items = {
        "item_id": ids,
        "item_type": kinds,
        "title": ids,
        "description": ids,
        "language": np.full(TITLES, "en"),
        "genres": pa.array([["crime"]] * TITLES, pa.list_(pa.string())),
        "published_at": pa.array([START] * TITLES, stamp),
    }
    pq.write_table(pa.table(items), folder / "items.parquet")
    schema = pa.schema(
        [(name, pa.string()) for name in ("user_id", "item_id", "item_type", "signal")]
        + [("timestamp", stamp)]
    )
    with pq.ParquetWriter(folder / "interactions.parquet", schema) as writer:
        for first in range(0, rows, 1_000_000):
            size = min(1_000_000, rows - first)
            what = (TITLES * rng.random(size) ** 2).astype(int)
            # By time, as checked tables are; events of a user lie far apart.
            moments = int(START.timestamp() * 1e6) + 2_000_000 * np.arange(first, first + size)
            who = rng.integers(0, users, size)
            table = pa.table(
                {
                    "user_id": pa.array(np.char.add("u", who.astype(str)), pa.string()),
                    "item_id": pa.array(ids[what], pa.string()),
                    "item_type": pa.array(kinds[what], pa.string()),
                    "signal": pa.array(np.full(size, "stream"), pa.string()),
                    "timestamp": pa.array(moments).cast(stamp),
                }
            )
            writer.write_table(table.cast(schema))
    return folder


IN_GROUPS = """
import os, sys
from pathlib import Path
*groups, words = sys.argv[1].split(":") + [sys.argv[2:]]
for group in groups:
    if group:
        Path(group, "cgroup.procs").write_text(str(os.getpid()))
from colisten.components.entry import main
raise SystemExit(main(words))
"""


def built(history: Path, out: Path, groups: list[Path]) -> subprocess.CompletedProcess[str]:
    """The graphs of a history, by a process within these groups."""
    settings = out.with_suffix(".yaml")
    settings.write_text(
        "cross_fitting: {folds: 2}\ntowers: {validation_share: 0}\n"
        "graph: {min_colisteners: 3}\nmemory_limit: 8GB\n"
    )
    cut = START + timedelta(days=3650)
    words = ["build_graph", f"history={history}", f"as_of={cut:%Y-%m-%d}", "--out", str(out)]
    return subprocess.run(
        [
            *(sys.executable, "-c", IN_GROUPS, ":".join(map(str, groups))),
            *(*words, "--config", str(settings)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
def test_a_step_of_a_gigabyte_and_a_core_finishes_a_world_that_needs_more(
    groups: list[Path], tmp_path: Path
) -> None:
    history = write_history(tmp_path / "history", USERS)
    done = built(history, tmp_path / "graphs", groups)
    assert done.returncode == 0, done.stderr[-3000:]
    logged = [parse_json(line) for line in done.stderr.splitlines() if line.startswith("{")]
    counted = [each["where"] for each in logged if each["event"] == "counting"]
    assert len(counted) == 3
    assert set(counted) == {"duckdb"}, "memory would not have held it"
    graphs = [each for each in logged if each["event"] == "graph built"]
    assert all(each["nodes"] == {"audiobook": 10_000, "podcast": 10_000} for each in graphs)
