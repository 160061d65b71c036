"""Threads: how they wait, and how many compute; one home for every door.

Two rules:

- **How they wait** is read once by OpenMP, as the first library that brings it (torch,
  scikit-learn, implicit) is loaded. So `import colisten` sets it before it loads anything: for the
  library, the command line, a component, a worker of the service and one under `torchrun` alike.
  What the environment says already stays.
- **How many compute** is the setting `threads`, whatever OMP_NUM_THREADS says: the number decides
  the last bits of a result, and equal settings give equal releases through every door.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager

from colisten.limits import whole_cores

WAIT = "OMP_WAIT_POLICY"
COUNT = "OMP_NUM_THREADS"
# Where a library has a variable of its own, that one goes first.
COUNTS = (COUNT, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Threads that spin at every barrier cost up to 25 times the work on a machine that has anything
# else to do (`benchmarks/threads.py`); sleeping ones cost nothing measurable on an idle one. Huge
# pages for torch's large tensors: touching fresh memory is much of a training step.
POLICY = {WAIT: "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1"}

# Numbers (rows times width) that a step of training goes through, below which a second thread
# costs more than it brings.
WORTH_SHARING = 1 << 18

# Whether OpenMP had been loaded before we could say how its threads wait.
_late = "torch" in sys.modules and WAIT not in os.environ


def set_policy(environment: MutableMapping[str, str]) -> None:
    """Say how threads wait, to whatever is loaded or started from now on."""
    for name, value in POLICY.items():
        environment.setdefault(name, value)


def share_cores(environment: MutableMapping[str, str], processes: int) -> None:
    """Give each of several processes that are about to start its share of the cores."""
    environment.setdefault(COUNT, str(max(1, cores() // processes)))


def cores() -> int:
    """Cores that this process may use: of the machine, and of its container's quota."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(own, whole_cores() or own)


def spinning_notice() -> str | None:
    """What to know where torch was loaded before `colisten`; None where it was not."""
    if not _late:
        return None
    return (
        f"torch was loaded before colisten, so its threads spin where they wait: import colisten "
        f"first, or set {WAIT}=PASSIVE; beside other work training is several times slower."
    )


def worth(rows: int, width: int, threads: int) -> int:
    """Threads that a step of training over [rows, width] is worth: `threads`, or one."""
    return threads if rows * width >= WORTH_SHARING else 1


@contextmanager
def held(threads: int) -> Iterator[None]:
    """Let every pool compute with so many threads; as before at the end.

    Holds for BLAS, OpenMP, Arrow and torch where they are loaded, and for whatever of them the
    block loads or starts. Never with more than there are cores, which is what the latter take at
    most.
    """
    threads = min(threads, cores())
    with ExitStack() as stack:
        for name in COUNTS:
            stack.callback(_restore, name, os.environ.get(name))
            os.environ[name] = str(threads)
        _hold_loaded(threads, stack)
        yield


def _hold_loaded(threads: int, stack: ExitStack) -> None:
    if arrow := sys.modules.get("pyarrow"):
        stack.callback(arrow.set_cpu_count, arrow.cpu_count())
        arrow.set_cpu_count(threads)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # it comes with the training extra, as torch does
        return
    stack.enter_context(threadpool_limits(threads))
    if torch := sys.modules.get("torch"):
        # Beside OpenMP torch holds a count of its own for matrix products.
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
