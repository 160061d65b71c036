"""Profiles of the windows that were reported on, beside the reports: one small file each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from colisten.errors import ColistenError
from colisten.json_files import read_model, write_json
from colisten.logs import logger
from colisten.monitoring.bins import Bins
from colisten.monitoring.profile import WindowProfile

FOLDER = "profiles"
"""Beside the page of drift."""

KEEP = 120
"""Profiles that are kept, the latest ones: two years of weeks."""

_SLACK = 0.05
"""Share of a window's length by which its end may lie beside what was looked for."""

_log = logger("monitoring.profiles")


class ProfileFolder:
    """The profiles of one home.

    Args:
        folder: Where they lie; it need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.profiles: tuple[WindowProfile, ...] = tuple(
            sorted(_read(folder), key=lambda one: one.until)
        )

    def at(self, until: datetime, days: float) -> WindowProfile | None:
        """The profile of the window of that length that ends then; None where there is none."""
        slack = timedelta(days=_SLACK * days)
        for one in reversed(self.profiles):
            if abs(one.until - until) <= slack and abs(one.days - days) <= _SLACK * days:
                return one
        return None

    def bins(self, until: datetime, under: Mapping[str, str]) -> dict[str, Bins]:
        """By column the bins that windows before `until` were counted over.

        Args:
            until: End of the window that is about to be profiled.
            under: What its columns are computed with; where that was another, bins are none.
        """
        found: dict[str, Bins] = {}
        for one in self.profiles:
            if one.until < until:
                for name, column in one.columns.items():
                    if column.under == under.get(name):
                        found[name] = column.bins
        return found

    def save(self, profile: WindowProfile) -> None:
        """Keep a profile instead of one of the same window, and no more than `KEEP` in all."""
        write_json(self._folder / _name(profile), profile, indent=None)
        self.profiles = tuple(sorted(_read(self._folder), key=lambda one: one.until))
        for one in self.profiles[:-KEEP]:
            (self._folder / _name(one)).unlink(missing_ok=True)
        self.profiles = self.profiles[-KEEP:]


def _name(profile: WindowProfile) -> str:
    return f"{profile.until:%Y%m%dT%H%M%S}-{profile.days:g}d.json"


def _read(folder: Path) -> Sequence[WindowProfile]:
    """Those that can be read; the others are said and count as windows that are not there."""
    found = []
    for file in sorted(folder.glob("*d.json")):
        try:
            found.append(read_model(file, WindowProfile))
        except (OSError, ValidationError, ColistenError, ValueError) as error:
            _log.warning("profile unreadable", file=str(file), reason=str(error)[:300])
    return found
