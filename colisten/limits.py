"""What of a machine this process may use: the limits of its container, as the kernel says them.

A pod of two cores and two gigabytes on a machine of sixty-four sees all of the machine; whoever
counts cores or sizes a buffer by that is killed, or waits for its turn. Both kinds of control
groups are read (cgroup v2, and v1 as older nodes have it), the process's own group and those
around it: the least limit holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from colisten.errors import ConfigError

_GROUPS = Path("sys/fs/cgroup")
# What a kernel of 64 bits writes where version 1 has no limit, less its pages.
_UNLIMITED = 1 << 60
_SHARE = 0.5
"""Of a container's memory, what DuckDB may hold; the rest is for tables in Arrow, and for torch."""
_WRITTEN = re.compile(r"\s*([\d.]+)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)


def memory_bytes(root: Path = Path("/")) -> int | None:
    """Memory that this process's container may hold; None where nothing limits it."""
    limits = [
        limit
        for place in (*_places(root, ""), *_places(root, "memory"))
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _number(place / name)) is not None and limit < _UNLIMITED
    ]
    return int(min(limits)) if limits else None


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Cores whose time this process's container gets; None where nothing limits it."""
    quotas = []
    for place in _places(root, ""):
        quota, _, period = _text(place / "cpu.max").partition(" ")
        if quota.isdecimal() and period.strip().isdecimal():
            quotas.append(int(quota) / int(period))
    for controller in ("cpu", "cpu,cpuacct"):
        for place in _places(root, controller):
            allowed, per = (_number(place / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
            if allowed is not None and per and allowed > 0:
                quotas.append(allowed / per)
    return min(quotas) if quotas else None


def whole_cores(root: Path = Path("/")) -> int | None:
    """`cpu_quota` as a number of threads: a part of a core takes one."""
    quota = cpu_quota(root)
    return None if quota is None else max(1, math.ceil(quota))


def within_memory(limit: str, root: Path = Path("/")) -> str:
    """A DuckDB memory limit, or half of the container's memory where that is less.

    Args:
        limit: Such as 4GB or 512MiB.
        root: Of the file system.

    Raises:
        ConfigError: It is no such limit.
    """
    most = memory_bytes(root)
    if most is None or bytes_of(limit) <= most * _SHARE:
        return limit
    return f"{max(1, int(most * _SHARE) >> 20)}MiB"


def bytes_of(limit: str) -> int:
    """A DuckDB memory limit in bytes; raises ConfigError where it is none."""
    match = _WRITTEN.fullmatch(limit)
    try:
        assert match is not None
        number, unit, binary = match.groups()
        power = " KMGT".index(unit.upper() or " ")
        return int(float(number) * (1024 if binary else 1000) ** power)
    except (AssertionError, ValueError):
        raise ConfigError(
            f"'{limit}' is no memory limit.", "Write memory_limit as 4GB or 512MB."
        ) from None


def _places(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control group and of those around it, where they can be seen.

    Args:
        root: Of the file system.
        controller: Of version 1, as its folder is called; empty for version 2.
    """
    mounted = root / _GROUPS / controller
    own = ""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == controller:
            own = path
    inside = Path(own.lstrip("/"))
    # A container that sees its own group alone has it at the top, under whatever path it is told.
    for each in (inside, *inside.parents):
        if ".." not in each.parts and (mounted / each).is_dir():
            yield mounted / each


def _number(file: Path) -> float | None:
    text = _text(file)
    return float(text) if text.lstrip("-").isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
