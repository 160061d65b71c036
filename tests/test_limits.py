"""A container's limits are found as its kernel says them, and nothing takes more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data.duckdb_connection import connect
from colisten.errors import ConfigError
from colisten.limits import bytes_of, cpu_quota, memory_bytes, whole_cores, within_memory
from colisten.steps.use_cases.preflight import _too_little

GIB = 1 << 30
NONE_OF_V1 = 9223372036854771712


def machine(root: Path, groups: str, **files: object) -> Path:
    """A file system in which a process finds these groups and files, `a__b` being a/b."""
    for name, content in {"proc__self__cgroup": groups, **files}.items():
        file = root.joinpath(*name.split("__"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    return root


def v2(root: Path, path: str, **files: object) -> Path:
    """A machine of version 2; files of groups by name, dots as `_dot_`."""
    named = {
        f"sys__fs__cgroup__{name}".replace("_dot_", "."): content for name, content in files.items()
    }
    return machine(root, f"0::{path}", **named)


def test_nothing_limits_a_machine_without_groups(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) is None
    assert cpu_quota(tmp_path) is None
    assert whole_cores(tmp_path) is None
    assert within_memory("4GB", tmp_path) == "4GB"


def test_the_least_limit_around_a_group_holds(tmp_path: Path) -> None:
    root = v2(
        tmp_path,
        "/pods/one/step",
        pods__memory_dot_max=3 * GIB,
        pods__one__memory_dot_max=2 * GIB,
        pods__one__step__memory_dot_max="max",
        pods__cpu_dot_max="max 100000",
        pods__one__cpu_dot_max="150000 100000",
    )
    assert memory_bytes(root) == 2 * GIB
    assert cpu_quota(root) == 1.5
    assert whole_cores(root) == 2
    assert within_memory("4GB", root) == "1024MiB"
    assert within_memory("512MB", root) == "512MB"


def test_a_container_that_sees_its_own_group_has_it_at_the_top(tmp_path: Path) -> None:
    root = v2(tmp_path, "/", memory_dot_max=GIB, cpu_dot_max="50000 100000")
    assert memory_bytes(root) == GIB
    assert whole_cores(root) == 1, "half a core takes one thread"


def test_a_path_of_the_node_above_its_own_root_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "sys/fs/memory.max"
    root = v2(tmp_path, "/../..", memory_dot_max=2 * GIB)
    outside.write_text(f"{GIB}\n")
    assert memory_bytes(root) == 2 * GIB


def test_version_one_has_a_folder_a_controller(tmp_path: Path) -> None:
    places = {
        "sys__fs__cgroup__memory__memory.limit_in_bytes": NONE_OF_V1,
        "sys__fs__cgroup__memory__job__memory.limit_in_bytes": 2 * GIB,
        "sys__fs__cgroup__cpu,cpuacct__cpu.cfs_quota_us": -1,
        "sys__fs__cgroup__cpu,cpuacct__cpu.cfs_period_us": 100000,
        "sys__fs__cgroup__cpu,cpuacct__job__cpu.cfs_quota_us": 100000,
        "sys__fs__cgroup__cpu,cpuacct__job__cpu.cfs_period_us": 100000,
    }
    root = machine(tmp_path, "5:memory:/job\n3:cpu,cpuacct:/job\n0::/", **places)
    assert memory_bytes(root) == 2 * GIB
    assert cpu_quota(root) == 1.0


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=12))
def test_whatever_the_files_hold_is_a_limit_or_none(groups: str, content: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = ("memory_dot_max", "cpu_dot_max")
        v2(root, "/", **dict.fromkeys(names, ""))
        for file in (root / "proc/self/cgroup", root / "sys/fs/cgroup/memory.max"):
            file.write_text(groups if file.name == "cgroup" else content, errors="replace")
        (root / "sys/fs/cgroup/cpu.max").write_text(content, errors="replace")
        assert memory_bytes(root) is None or memory_bytes(root) >= 0  # type: ignore[operator]
        assert whole_cores(root) is None or whole_cores(root) >= 1  # type: ignore[operator]


@pytest.mark.parametrize("limit", ["", "much", "4 GBs", "1.2.3GB", "-1GB"])
def test_what_is_no_limit_is_refused(limit: str) -> None:
    with pytest.raises(ConfigError, match="no memory limit"):
        bytes_of(limit)


def test_duckdb_takes_no_more_threads_than_there_are() -> None:
    from colisten.threads import cores

    with connect(threads=999, memory_limit="1GB") as connection:
        [(threads,)] = connection.execute("SELECT current_setting('threads')").fetchall()
    assert threads == cores()


def test_a_run_that_needs_more_than_its_container_has_says_so(tmp_path: Path) -> None:
    root = v2(tmp_path, "/", memory_dot_max=2 * GIB)
    assert _too_little(1.9, root) == []
    (said,) = _too_little(2.5, root)
    assert "2.0 GiB" in said
    assert "about 2.5" in said


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory group of the kernel's own, of a quarter of a gigabyte."""
    mounted = Path("/sys/fs/cgroup/memory")
    second = not mounted.is_dir()
    folder = (Path("/sys/fs/cgroup") if second else mounted) / f"colisten-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(GIB // 4))
    except OSError as error:
        pytest.skip(f"No memory group can be made here: {error}.")
    yield folder
    folder.rmdir()


LIMITED = """
import sys
from pathlib import Path
import os
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from colisten.data.duckdb_connection import connect
from colisten.limits import memory_bytes
with connect(memory_limit="4GB", temp_directory=sys.argv[2]) as connection:
    (limit,) = connection.execute("SELECT current_setting('memory_limit')").fetchone()
    (rows,) = connection.execute(
        "SELECT count(*) FROM (SELECT DISTINCT hash(range) FROM range(6_000_000))"
    ).fetchone()
print(memory_bytes(), limit, rows)
"""


@pytest.mark.slow
def test_in_a_group_of_the_kernel_work_spills_where_it_would_be_killed(
    group: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(group), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1].endswith(f"{GIB // 4} 128.0 MiB 6000000")
