"""What a command does when it is told to end: it cleans up, says so and leaves at once."""

from __future__ import annotations

import signal
from types import FrameType

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal ends the command. No Exception, so that nobody takes it for a failure of theirs.

    Attributes:
        signal: Which one.
        exit_code: 128 and its number, as shells count.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        self.exit_code = 128 + number
        super().__init__(f"ended by {self.signal.name}")


def end_on_signals() -> None:
    """Turn the first SIGINT, SIGTERM or SIGHUP into an `Ended` in the main thread.

    The stack unwinds as for an error: steps and servers that the command started are ended,
    locks freed, partial files removed. Later signals change nothing; kill -9 always works. A
    signal that the shell told us to ignore, as `nohup` does with SIGHUP, stays ignored.
    """
    for number in ENDS:
        if number is signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    for each in ENDS:
        if signal.getsignal(each) is _end:
            signal.signal(each, lambda number, frame: None)
    raise Ended(number)
