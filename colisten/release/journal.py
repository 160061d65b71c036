"""What happened to releases and when: one JSON object a line, only ever appended to.

Clock times live here and not in the release, so that they change no digest.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from colisten.json_files import parse_json, to_json
from colisten.settings.index import IndexSettings

JOURNAL = "journal.jsonl"


class Journal:
    """An append-only file; the caller holds the lock while writing."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def append(self, event: str, release_id: str, **details: Any) -> None:
        """Write one line and make sure it is on disk."""
        entry = {"at": datetime.now(UTC).isoformat(), "event": event, "release_id": release_id}
        line = to_json({**entry, **details}, sort=True) + "\n"
        with self._file.open("ab") as stream:
            if stream.tell() and not self._ends_whole():
                stream.write(b"\n")  # a killed writer left half a line
            stream.write(line.encode())
            stream.flush()
            os.fsync(stream.fileno())

    def entries(self) -> list[dict[str, Any]]:
        """All whole lines, oldest first."""
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            try:
                entry = parse_json(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and {"at", "event", "release_id"} <= entry.keys():
                entries.append(entry)
        return entries

    def moments(self, event: str, release_id: str) -> list[str]:
        """When something happened to a release, oldest first."""
        return [
            str(entry["at"])
            for entry in self.entries()
            if entry["event"] == event and entry["release_id"] == release_id
        ]

    def software(self, release_id: str) -> dict[str, str]:
        """Versions of what made a release, by name; empty where no line says it."""
        for entry in self.entries():
            made = entry.get("software")
            if entry["release_id"] == release_id and isinstance(made, dict):
                return {str(name): str(version) for name, version in made.items()}
        return {}

    def index_settings(self) -> IndexSettings | None:
        """Which index the latest release was published to; None before any was."""
        for entry in reversed(self.entries()):
            index = entry.get("index")
            if isinstance(index, dict):
                known = {name: index[name] for name in ("backend", "uri") if name in index}
                try:
                    return IndexSettings.model_validate(known)
                except ValidationError:
                    return None
        return None

    def _ends_whole(self) -> bool:
        with self._file.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"
