"""A program that keeps another: it ends it, and all that it started, when its own parent is gone.

    python keeper.py COMMAND...

The parent holds the writing end of our standard input. When that end closes, because the parent
closed it or ended in any way, kill -9 included, or when we are asked to end, the command and all
its descendants get SIGTERM, and after `GRACE_SECONDS` SIGKILL. What the command leaves running
when it ends by itself is ended likewise. Our exit code is the command's, or 128 and its signal.

Run by its path with nothing but the standard library, so that it is up in milliseconds; see
`colisten.child` for the parent's side.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

GRACE_SECONDS = 10.0
_LOOK_SECONDS = 0.02
# <linux/prctl.h>: orphans among our descendants become our children instead of init's.
_PR_SET_CHILD_SUBREAPER = 36


class _End(BaseException):
    """We are to end what we keep."""


def keep(command: list[str]) -> int:
    """Run a command to its end, or to the parent's; returns its exit code."""
    _adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        threading.Thread(target=_watch, daemon=True).start()
        code = child.wait()
    except _End:
        code = -signal.SIGTERM
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: None)
    _end_all()
    return code if code >= 0 else 128 - code


def _adopt_orphans() -> None:
    # Elsewhere than on Linux an orphan that left our process group is out of reach.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end(number: int, frame: FrameType | None) -> None:
    raise _End


def _watch() -> None:
    while os.read(0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _end_all() -> None:
    """End every process of our group and every child of ours."""
    deadline = time.monotonic() + GRACE_SECONDS
    _signal_all(signal.SIGTERM)
    while _anybody_left():
        if time.monotonic() > deadline:
            _signal_all(signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)


def _signal_all(number: signal.Signals) -> None:
    children = _children()
    if number is signal.SIGTERM or children is None:
        os.killpg(0, number)  # ours too: SIGTERM is nothing to us now, SIGKILL the last resort
    for child in children or ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)


def _children() -> list[int] | None:
    """Our children, orphans that we adopted included; None where the system does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123
            return [int(child) for child in file.read().split()]
    except OSError:
        return None


def _anybody_left() -> bool:
    """Reap who has ended; whether a child is left."""
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not ended:
            return True


if __name__ == "__main__":
    raise SystemExit(keep(sys.argv[1:]))
