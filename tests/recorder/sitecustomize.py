"""Notes every name that is looked up and every address that is called, in this process.

Python imports it by itself in a process whose PYTHONPATH names this folder: see `tests/calls.py`.
"""

import os
import sys

_EVENTS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto")
_WHERE = os.environ.get("RECORDED_CALLS")


def _note(event: str, given: tuple) -> None:  # type: ignore[type-arg]
    if event in _EVENTS and _WHERE:
        asked = given[1] if event in _EVENTS[2:] else given[0]
        line = f"{event} {os.getpid()} {asked!r}\n".encode()
        # Opened each time: a process may have been forked, or have closed what it did not know.
        file = os.open(_WHERE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(file, line)
        os.close(file)


sys.addaudithook(_note)
