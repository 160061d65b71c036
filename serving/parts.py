"""What a worker's answers stand on and how each of it is, for /v1/release, /readyz and /metrics."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from colisten.logs import logger
from colisten.serving import metrics

RELEASE, FILES, FEATURES, INDEX = PARTS = ("release", "files", "features", "index")
EXPOSURES, TOWER, STORE = "exposures", "tower", "store"
_log = logger("serving.parts")


@dataclass(frozen=True)
class PartState:
    """How one part is.

    Attributes:
        ok: Whether it has answered as it should when it was last looked at.
        reason: A word for what is wrong, as `how.fallbacks` says it; None where nothing is.
        why: The same as a sentence.
        since: When it became so, UTC.
    """

    ok: bool
    reason: str | None
    why: str | None
    since: datetime


class Parts:
    """The parts of one worker; safe to share between threads.

    Args:
        names: Of the parts, none of which has been looked at yet.
    """

    def __init__(self, names: tuple[str, ...] = PARTS) -> None:
        now = datetime.now(UTC)
        self._lock = threading.Lock()
        self._states = {
            name: PartState(False, f"{name}_unchecked", "It has not been looked at yet.", now)
            for name in names
        }
        for name in names:
            metrics.PARTS.labels(name).set(0)

    def __getitem__(self, name: str) -> PartState:
        return self._states[name]

    def items(self) -> list[tuple[str, PartState]]:
        """Every part's name and state."""
        return list(self._states.items())

    def well(self, name: str) -> None:
        """Note that a part is as it should be."""
        self._note(name, None, None)

    def ill(self, name: str, reason: str, why: object) -> None:
        """Note what is wrong with a part."""
        self._note(name, reason, str(why))

    def _note(self, name: str, reason: str | None, why: str | None) -> None:
        with self._lock:
            before = self._states[name]
            # What it says in passing (a count, a moment) may change; since when it is so does not.
            same = (before.ok, before.reason) == (reason is None, reason)
            since = before.since if same else datetime.now(UTC)
            self._states[name] = PartState(reason is None, reason, why, since)
        if same:
            return
        metrics.PARTS.labels(name).set(reason is None)
        if reason is None:
            _log.info("part_well", part=name)
        else:
            _log.warning("part_ill", part=name, reason=reason, why=why)
