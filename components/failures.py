"""Why a step failed, left where the exit handler finds it.

Kubeflow tells an exit handler that its run failed, not which step and why: of what kfp calls
`PipelineTaskFinalStatus` its API server fills in the state alone (kubeflow/pipelines#11975). So a
step that fails says so itself, in a folder that all pods see.
"""

from __future__ import annotations

import os
from pathlib import Path

from colisten.errors import FileError
from colisten.json_files import read_mapping, write_json
from colisten.variables import FAILURES, RUN

_MOST_CHARS = 2_000
_SHOWN = 5


def note(step: str, error: BaseException) -> None:
    """Say that a step failed, where the variables name a folder; never fails itself."""
    folder = _folder()
    if folder is None:
        return
    said = {"step": step, "reason": f"{type(error).__name__}: {error}"[:_MOST_CHARS]}
    try:
        write_json(folder / f"{step}.json", said)
    except (OSError, FileError):  # a full disk may be why the step failed
        return


def forget(step: str) -> None:
    """Remove what an earlier try of a step said that has now come to its end."""
    folder = _folder()
    if folder is not None:
        (folder / f"{step}.json").unlink(missing_ok=True)


def noted() -> list[dict[str, str]]:
    """What the steps of this run said, each a mapping of step and reason; empty where none did."""
    folder = _folder()
    found = []
    for file in sorted(folder.glob("*.json"))[:_SHOWN] if folder is not None else ():
        try:
            said = read_mapping(file)
            found.append({"step": str(said["step"]), "reason": str(said["reason"])})
        except (OSError, FileError, KeyError):
            continue
    return found


def _folder() -> Path | None:
    """Where steps of this run say why they failed; None where nothing names it."""
    run = os.environ.get(RUN, "")
    place = os.environ.get(FAILURES, "")
    plain = run.replace("-", "").isalnum()
    return Path(place) / run if place and plain else None
