"""The `colisten` command, as its process begins and ends.

Exit codes: 0 done, 1 the work failed, 2 the caller's input is at fault, 128 and the number of the
signal that ended it.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import sys
import warnings

from colisten import garbage
from colisten.cli.ending import Ended, end_on_signals, leave_on_signals


def main() -> None:
    """Run the command that this process was started with."""
    leave_on_signals()
    garbage.search_rarely()
    _open_streams()
    # One class of Feast's shadows another's field: nothing that a reader could do about it.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"feast\.")
    # Only now: what the commands need takes a second or more, in which somebody may have second
    # thoughts, and nobody who does wants to see where the import was.
    from colisten.cli.app import answer
    from colisten.cli.documents import asks_json, print_error_document
    from colisten.interrupts import close_own_connection
    from colisten.private import write_privately
    from colisten.terminal import print_error

    write_privately(os.environ)
    atexit.register(close_own_connection)
    try:
        end_on_signals()
        code = answer(sys.argv[1:])
        leave_on_signals()
    except Ended as ended:
        with contextlib.suppress(OSError):  # a terminal that hung up
            print_error(f"colisten: {ended}")
            if asks_json(sys.argv[1:]):
                print_error_document(type(ended).__name__, str(ended), ended.exit_code)
            sys.stdout.flush()
        # The stack has unwound; to take torch down piece by piece takes seconds and helps nobody.
        os._exit(ended.exit_code)
    raise SystemExit(code)


def _open_streams() -> None:
    """Let the standard streams be there and take every text."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The next file to be opened would get its number, and what we print.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name or a title that the terminal cannot show is shown by its escapes.
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
