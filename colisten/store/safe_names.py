"""Names that a bucket gives, as files below a folder: whoever writes there writes nowhere else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from colisten.errors import ReleaseCorrupt


def inside(folder: Path, name: str) -> Path:
    """The file of a name below a folder.

    Raises:
        ReleaseCorrupt: The name leads out of it, or is none.
    """
    parts = name.split("/")
    if PurePosixPath(name).is_absolute() or any(
        part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts
    ):
        raise ReleaseCorrupt(f"A store names a file {name!r}, which lies in no release.")
    return folder.joinpath(*parts)
