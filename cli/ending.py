"""What a command does when a signal ends it: it cleans up, says so and leaves at once."""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from colisten.interrupts import interrupt_queries

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Longer than any cleaning up takes (`colisten.child.supervised`).
PATIENCE_SECONDS = 25.0
_RETRY_SECONDS = 0.1


class Ended(BaseException):
    """A signal ends the command. No Exception, so that nobody takes it for a failure of theirs.

    Attributes:
        signal: Which one.
        exit_code: 128 and its number, as shells count.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        self.exit_code = 128 + number
        again = f"; finished steps are kept, to go on: {_asked.again}" if _asked.again else ""
        super().__init__(f"ended by {self.signal.name}{again}")


class _Asked:
    """The first signal that asked us to end, and the command that goes on from there."""

    # No dataclass: this module comes before all else, and theirs takes its time to come in.
    number = 0
    again = ""


_asked = _Asked()


def leave_on_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end this process at once: there is nothing to clean up."""
    _on_signals(signal.SIG_DFL)


def end_on_signals() -> None:
    """Turn the first SIGINT, SIGTERM or SIGHUP into an `Ended` in the main thread.

    The stack unwinds as for an error: steps and servers that the command started are ended,
    locks freed, partial files removed, queries broken off. Signals that follow change nothing.
    Whatever compiled code keeps the main thread, and whoever caught what was raised and went on:
    `PATIENCE_SECONDS` later this process is gone, as by kill -9. A signal that the shell made us
    ignore, as `nohup` does with SIGHUP, stays ignored.
    """
    _asked.number = 0
    signals, wakeup = os.pipe()
    # Standard error as it is now: a step's goes elsewhere.
    errors = os.dup(2)
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    threading.Thread(target=_end_late, args=(signals, errors), daemon=True).start()
    _on_signals(_end)


def raise_if_asked() -> None:
    """Raise the `Ended` that a library took for a failure of its own, as DuckDB does.

    Raises:
        Ended: A signal ends the command.
    """
    if _asked.number:
        raise Ended(_asked.number) from None


@contextmanager
def going_on() -> Iterator[None]:
    """Work that the same command goes on with: whoever ends it is told which command that is."""
    _asked.again = shlex.join(["colisten", *sys.argv[1:]])
    yield
    # Not where it failed: a library may have made its failure of the signal.
    _asked.again = ""


def _on_signals(action: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in ENDS:
        if number is signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, action)


def _end_late(signals: int, errors: int) -> None:
    """End this process where a signal came and the main thread did not, in time."""
    while number := os.read(signals, 1):
        # A service that took the signals over ends, or starts anew, in its own way.
        if number[0] in ENDS and signal.getsignal(number[0]) is _end:
            interrupt_queries()
            time.sleep(PATIENCE_SECONDS)
            with contextlib.suppress(OSError):
                os.write(errors, f"colisten: {Ended(number[0])}\n".encode())
            os._exit(128 + number[0])


def _end(number: int, frame: FrameType | None) -> None:
    if _asked.number:
        return
    if _importing(frame):
        # Libraries that are being set up turn what is raised into an abort, or into advice on
        # how to install them.
        again = threading.Timer(_RETRY_SECONDS, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
        return
    _asked.number = number
    # The interpreter's own end puts the default back, and our exit code would be lost.
    atexit.register(_on_signals, signal.SIG_IGN)
    interrupt_queries()
    raise Ended(number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
