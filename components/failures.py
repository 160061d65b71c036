"""Why a step failed, left where the exit handler finds it.

Kubeflow tells an exit handler that its run failed, not which step and why: of what kfp calls
`PipelineTaskFinalStatus` its API server fills in the state alone (kubeflow/pipelines#11975). So a
step that fails says so itself, beside the home: in a folder that all pods see, or in the bucket.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colisten.errors import ColistenError
from colisten.json_files import parse_json, read_json, write_json
from colisten.store.address import StoreAddress, is_store
from colisten.variables import FAILURES, RUN

if TYPE_CHECKING:
    from colisten.store.bucket import Bucket

_MOST_CHARS = 2_000
_MOST_BYTES = 1 << 16
_SHOWN = 5
# A full disk, or a network that is down, may be why the step failed.
_ANYTHING = (OSError, ColistenError)


def note(step: str, error: BaseException) -> None:
    """Say that a step failed, where the variables name a place; never fails itself."""
    said = {"step": step, "reason": f"{type(error).__name__}: {error}"[:_MOST_CHARS]}
    with suppress(*_ANYTHING):
        place = _place()
        if isinstance(place, Path):
            write_json(place / f"{step}.json", said)
        elif place is not None:
            bucket, run = place
            with tempfile.TemporaryDirectory() as folder:
                write_json(Path(folder) / "said.json", said)
                bucket.store(f"{run}/{step}.json", Path(folder) / "said.json")


def forget(step: str) -> None:
    """Remove what an earlier try of a step said that has now come to its end."""
    with suppress(*_ANYTHING):
        place = _place()
        if isinstance(place, Path):
            (place / f"{step}.json").unlink(missing_ok=True)
        elif place is not None:
            bucket, run = place
            bucket.remove(f"{run}/{step}.json")


def noted() -> list[dict[str, str]]:
    """What the steps of this run said, each a mapping of step and reason; empty where none did."""
    found: list[dict[str, str]] = []
    with suppress(*_ANYTHING):
        place = _place()
        if isinstance(place, Path):
            for file in sorted(place.glob("*.json"))[:_SHOWN]:
                with suppress(*_ANYTHING, KeyError, TypeError):
                    found.append(_fields(read_json(file)))
        elif place is not None:
            bucket, run = place
            for listed in bucket.names(f"{run}/")[:_SHOWN]:
                with suppress(*_ANYTHING, KeyError, TypeError):
                    content = bucket.read(listed.name, most=_MOST_BYTES) or b""
                    found.append(_fields(parse_json(content, name=listed.name)))
    return found


def _fields(said: Any) -> dict[str, str]:
    return {"step": str(said["step"]), "reason": str(said["reason"])}


def _place() -> Path | tuple[Bucket, str] | None:
    """Where steps of this run say why they failed; None where nothing names it."""
    run, place = os.environ.get(RUN, ""), os.environ.get(FAILURES, "")
    if not place or not run.replace("-", "").isalnum():
        return None
    if not is_store(place):
        return Path(place) / run
    from colisten.store.bucket import Bucket

    return Bucket(StoreAddress.parse(place)), run
