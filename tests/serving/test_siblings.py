"""Workers that end know whether the service does: then nobody is left to take what waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from colisten.serving.drain import Siblings

WITHIN = 17.0


@pytest.fixture
def another() -> Iterator[int]:
    """A process that lives."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def gone() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def file(folder: Path, what: str, process: int, *, age: float = 0.0) -> None:
    """What a worker of that id left so many seconds ago."""
    left = folder / f"{what}-{os.getppid()}.{process}"
    left.touch()
    os.utime(left, (time.time() - age,) * 2)


def test_a_service_ends_with_the_last_of_its_workers(tmp_path: Path, another: int) -> None:
    own = Siblings(tmp_path, 2)
    file(tmp_path, "there", another)
    own.end()
    assert not own.all_end(WITHIN), "the other one goes on"
    file(tmp_path, "ending", another)
    assert own.all_end(WITHIN)


def test_who_was_told_while_it_started_is_gone_and_counts(tmp_path: Path) -> None:
    own, other = Siblings(tmp_path, 2), gone()
    file(tmp_path, "there", other)
    own.end()
    assert not own.all_end(WITHIN), "it died by itself"
    file(tmp_path, "ending", other, age=2)
    assert own.all_end(WITHIN)
    file(tmp_path, "ending", other, age=60)
    assert not own.all_end(WITHIN), "another took its place long ago"


def test_who_took_the_place_of_one_that_ended_goes_on(tmp_path: Path, another: int) -> None:
    own, before = Siblings(tmp_path, 2), gone()
    file(tmp_path, "there", before)
    file(tmp_path, "ending", before, age=2)
    file(tmp_path, "there", another)
    own.end()
    assert not own.all_end(WITHIN)


def test_a_mark_of_this_process_of_before_is_none(tmp_path: Path) -> None:
    file(tmp_path, "ending", os.getpid())
    alone = Siblings(tmp_path, 1)
    assert not alone.all_end(WITHIN)
    alone.end()
    assert alone.all_end(WITHIN)
