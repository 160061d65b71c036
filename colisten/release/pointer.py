"""The one file that says which release is live; replaced by a rename, so it is never half."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from colisten.errors import ReleaseCorrupt
from colisten.json_files import read_mapping, write_json

POINTER = "LIVE"


@dataclass(frozen=True)
class Pointer:
    """The live release and the one before it."""

    release_id: str
    previous: str | None = None

    @classmethod
    def read(cls, releases: Path) -> Pointer | None:
        """The pointer of a releases folder; None before anything was promoted.

        Raises:
            ReleaseCorrupt: The file is not a pointer.
        """
        file = releases / POINTER
        try:
            content = read_mapping(file)
            release_id, previous = content["release_id"], content["previous"]
            if not isinstance(release_id, str) or not isinstance(previous, str | None):
                raise TypeError("an id is no text")
            return cls(release_id, previous)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseCorrupt(
                f"{file} names no release: {error}.", "Promote a release; `release list` has them."
            ) from error

    def write(self, releases: Path) -> None:
        """Make this the pointer."""
        write_json(releases / POINTER, self, indent=None)
