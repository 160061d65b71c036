"""How threads wait is said before anything reads it; settings say how many compute."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from colisten import threads

ROOT = Path(__file__).parents[1]
DOORS = (
    "colisten",
    "colisten.cli.main",
    "colisten.components.launch",
    "colisten.serving.worker",
    "colisten.training.launch",
)


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A process in whose environment nobody said anything of threads."""
    unsaid = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    environment = {**unsaid, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )


@pytest.mark.parametrize("door", DOORS)
def test_openmp_hears_of_it_whichever_door_is_used(door: str) -> None:
    said = python(f"import {door}, torch", OMP_DISPLAY_ENV="true").stderr
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in said


def test_what_the_user_says_stays() -> None:
    said = python(
        "import colisten, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)",
        OMP_WAIT_POLICY="ACTIVE",
    ).stdout
    assert said == "ACTIVE False\n"


def test_who_loads_torch_first_is_told() -> None:
    ask = "print(__import__('colisten.threads').threads.spinning_notice())"
    assert "import colisten first" in python(f"import torch; {ask}").stdout
    assert python(f"import torch; {ask}", OMP_WAIT_POLICY="PASSIVE").stdout == "None\n"
    assert python(f"import colisten, torch; {ask}").stdout == "None\n"


HELD = """
import numpy, os
from colisten.threads import held
from threadpoolctl import threadpool_info
def counts():
    return {pool["num_threads"] for pool in threadpool_info()}
with held(1):
    inside = counts()
    import scipy.linalg, sklearn, torch
    print(inside, counts(), torch.get_num_threads())
before = counts(), torch.get_num_threads()
with held(99):
    print(counts(), torch.get_num_threads())
print(before == (counts(), torch.get_num_threads()), os.environ.get("OMP_NUM_THREADS"))
"""


@pytest.mark.parametrize("count", ["1", ""])
def test_pools_that_are_there_and_pools_that_come_are_held(count: str) -> None:
    most = threads.cores()
    said = python(HELD, **({"OMP_NUM_THREADS": count} if count else {})).stdout
    assert said == f"{{1}} {{1}} 1\n{{{most}}} {most}\nTrue {count or None}\n"


def test_tiny_work_takes_one_thread() -> None:
    assert threads.worth(180, 384, 2) == 1
    assert threads.worth(2_600, 384, 2) == 2
    assert threads.worth(2_600, 384, 1) == 1


def test_workers_share_the_cores() -> None:
    alone: dict[str, str] = {}
    threads.share_cores(alone, 1)
    assert alone == {"OMP_NUM_THREADS": str(threads.cores())}
    many = {"OMP_NUM_THREADS": "7"}
    threads.share_cores(many, 100)
    assert many == {"OMP_NUM_THREADS": "7"}
    crowded: dict[str, str] = {}
    threads.share_cores(crowded, 100)
    assert crowded == {"OMP_NUM_THREADS": "1"}
