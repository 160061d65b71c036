"""Rows that were appended can be read, whatever ended the writer."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.table_log import ENDING, TableLog, logged
from colisten.errors import FileError

SCHEMA = pa.schema([("user_id", pa.string()), ("position", pa.int32())])
PART = 1 << 20


def rows(start: int, count: int) -> pa.Table:
    numbers = range(start, start + count)
    return pa.table({"user_id": [f"u{at}" for at in numbers], "position": numbers}, schema=SCHEMA)


def read(folder: Path) -> list[int]:
    return [at for batch in logged(folder, SCHEMA) for at in batch.column("position").to_pylist()]


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    part_bytes=st.sampled_from([1, 600, 2_000, PART]),
    cut=st.floats(0, 1),
)
def test_a_file_that_breaks_off_keeps_every_whole_append(
    sizes: list[int], part_bytes: int, cut: float
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), TableLog(Path(name), SCHEMA, part_bytes=part_bytes)
        starts, ends = [sum(sizes[:at]) for at in range(len(sizes))], []
        for start, count in zip(starts, sizes, strict=True):
            log.append(rows(start, count))
            newest = max(folder.glob(f"*{ENDING}"), key=lambda file: file.stat().st_mtime_ns)
            ends.append((newest, newest.stat().st_size))
        log.close()
        assert sorted(read(folder)) == list(range(sum(sizes)))
        last, size = ends[-1]
        at = int(cut * size)
        os.truncate(last, at)
        kept = [
            position
            for (file, end), start, count in zip(ends, starts, sizes, strict=True)
            if file != last or end <= at
            for position in range(start, start + count)
        ]
        assert sorted(read(folder)) == kept


def test_files_are_begun_anew_when_they_are_large_and_old_ones_go(tmp_path: Path) -> None:
    log = TableLog(tmp_path, SCHEMA, part_bytes=1, keep_days=1)
    for at in range(3):
        log.append(rows(at, 1))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    os.utime(files[0], (time.time() - 2 * 86400,) * 2)
    log.append(rows(3, 1))
    assert not files[0].exists()
    assert len(read(tmp_path)) == 3


def test_a_file_that_somebody_removed_is_written_to_no_longer(tmp_path: Path) -> None:
    log = TableLog(tmp_path / "log", SCHEMA, part_bytes=PART)
    log.append(rows(0, 1))
    for file in (tmp_path / "log").iterdir():
        file.unlink()
    log.append(rows(1, 1))
    assert read(tmp_path / "log") == [1]


def test_no_folder_has_no_rows_and_other_columns_are_refused(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []
    TableLog(tmp_path, pa.schema([("item_id", pa.string())]), part_bytes=PART).append(
        pa.table({"item_id": ["a1"]})
    )
    with pytest.raises(FileError, match="has the columns item_id, not user_id, position"):
        read(tmp_path)


def test_a_version_that_knew_fewer_columns_left_nulls(tmp_path: Path) -> None:
    before = pa.schema([SCHEMA.field("user_id")])
    TableLog(tmp_path, before, part_bytes=PART).append(rows(0, 2).select(["user_id"]))
    TableLog(tmp_path, SCHEMA, part_bytes=PART).append(rows(2, 1))
    table = pa.Table.from_batches(list(logged(tmp_path, SCHEMA)), SCHEMA).sort_by("user_id")
    assert table["user_id"].to_pylist() == ["u0", "u1", "u2"]
    assert table["position"].to_pylist() == [None, None, 2]


# The largest size of a file stands for a full disk: the system writes what fits, then fails.
_FULL = """
import resource, signal, sys
from pathlib import Path
from colisten.data.table_log import TableLog
from tests.data.test_table_log import SCHEMA, rows
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log, failed = TableLog(Path(sys.argv[1]), SCHEMA, part_bytes=1 << 30), 0
log.append(rows(0, 10))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
size = next(Path(sys.argv[1]).iterdir()).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
for _ in range(3):
    try:
        log.append(rows(10, 2000))
    except OSError as error:
        failed += error.errno == {errno}
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.append(rows(10, 2000))
print(failed)
"""


def test_what_did_not_fit_on_the_disk_is_taken_back_and_can_be_written_later(
    tmp_path: Path,
) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    script = _FULL.replace("{errno}", str(errno.EFBIG))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "3", done.stderr
    assert read(tmp_path) == list(range(2010))
    assert len(list(tmp_path.iterdir())) == 1


_ENDLESS = """
import sys
from pathlib import Path
from colisten.data.table_log import TableLog
from tests.data.test_table_log import SCHEMA, rows
log = TableLog(Path(sys.argv[1]), SCHEMA, part_bytes=1 << 16)
for at in range(10**9):
    log.append(rows(10 * at, 10))
    print(at, flush=True)
"""


def test_a_writer_that_is_killed_leaves_all_that_it_had_appended(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(50):
        assert process.stdout.readline()
    during = read(tmp_path)
    assert during == list(range(len(during)))
    assert len(during) >= 500
    os.kill(process.pid, signal.SIGKILL)
    said = [int(line) for line in process.stdout.read().split()]
    process.wait(30)
    left = read(tmp_path)
    assert left == list(range(len(left)))
    assert len(left) >= 10 * (max(said, default=49) + 1)
