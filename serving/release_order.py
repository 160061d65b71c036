"""Which of two releases went live later: what `min_release` of a request is compared by.

The journal of an output folder says it: a release stands where it was last made live, by a
promotion or a roll back, and one that never was (an arm may show it) where it was first published.
So whoever rolled back to an older release has made it the latest again.
"""

from __future__ import annotations

import threading
from pathlib import Path

from colisten.release.journal import JOURNAL, Journal
from colisten.release.lineage import MADE_LIVE
from colisten.serving.problems import Fault, Refused

_SOON = {"Retry-After": "1"}


class ReleaseOrder:
    """Places of releases in the journal, read again where that has grown.

    Args:
        releases: Folder of the releases.
    """

    def __init__(self, releases: Path) -> None:
        self._file = releases / JOURNAL
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._published: dict[str, int] = {}
        self._live: dict[str, int] = {}

    def check(self, served: str, least: str, *, pinned: bool) -> None:
        """Refuse to answer from a release that went live before another one did.

        Args:
            served: What would answer.
            least: What the request names.
            pinned: Whether it answers whatever goes live: waiting does not help then.

        Raises:
            Refused: It did (503 where it will follow, 409 where not), or the one named never
                went live here (409).
        """
        if served == least:
            return
        with self._lock:
            self._read()
            named = self._live.get(least)
            own = self._live.get(served, self._published.get(served, -1))
        if named is None:
            detail = f"Release {least} was never live here; {served} is served."
            raise Refused(409, Fault(code="unknown_release", detail=detail))
        if own < named:
            detail = f"Release {served} is served, which went live before {least}."
            fault = Fault(code="older_release", detail=detail)
            raise Refused(409, fault) if pinned else Refused(503, fault, _SOON)

    def _read(self) -> None:
        try:
            status = self._file.stat()
        except OSError:
            return  # what was known stays: the journal is only ever appended to
        seen = status.st_mtime_ns, status.st_size
        if seen == self._seen:
            return
        for at, entry in enumerate(Journal(self._file).entries()):
            name, event = str(entry["release_id"]), entry["event"]
            if event in MADE_LIVE:
                self._live[name] = at
            elif event == "published":
                self._published.setdefault(name, at)
        self._seen = seen
