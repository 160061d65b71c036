"""Steps one after the other in this process, each computed once for what it is computed from.

A finished step is a folder, named after the step and a digest of its inputs, the settings it reads
and the code it can reach. It counts once `entry.json` is in it, which is written last; what a
killed run left is removed by the next, which goes on from there. Entries that the newest runs did
not use are swept.

Steps share this process: torch and Feast are imported once for all of them (some eight seconds a
step otherwise), a kill leaves nobody computing, and a step returns its memory by handing its
results over as files. Whoever wants a process a step has Kubeflow's runner (`pipelines/`).
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pyarrow as pa

from colisten import garbage
from colisten.errors import FileError, PipelineError
from colisten.files import sweep_partials
from colisten.interrupts import close_own_connection
from colisten.json_files import read_mapping, to_json, write_json
from colisten.settings.tree import Settings
from colisten.steps.artifacts.base import Artifact
from colisten.steps.execution import execute, result_types
from colisten.steps.plan import Place, Plan
from colisten.steps.settings import settings_json, settings_of

# Runs of each workflow whose entries stay, so that settings can be tried back and forth.
KEPT_RUNS = 3
_ENTRY = "entry.json"
_RUNS = "runs.json"
_DIGITS = 16
_DAY_SECONDS = 24 * 3600.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class StepEvent:
    """Something that happened to a step.

    Attributes:
        step: Its name.
        state: started, done, cached or failed; `part` where a training of several begins, `notice`
            for something to know about the tables, `preflight` for what the run will do and cost.
        seconds: How long it took.
        part: Which of several calls of one step it is, such as `backtest`.
        text: Of a notice and of what is said beforehand; of a part, which of how many it is, such
            as `2/6`.
        place: Where in the run the step is, and what a person calls it.
    """

    step: str
    state: str
    seconds: float = 0.0
    part: str = ""
    text: str = ""
    place: Place | None = None


Listener = Callable[[StepEvent], None]


def silent(event: StepEvent) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class StepCache:
    """Runs steps under some settings, or finds them finished.

    Attributes:
        root: Folder of the entries.
        settings: All of them; a step gets those that it reads.
        use_cache: Whether finished steps count.
        listen: Called at every change of a step.
        part: Of every event.
        plan: Steps that the run will come to.
        used: Names of the entries that this run stands on.
    """

    root: Path
    settings: Settings
    use_cache: bool = True
    listen: Listener = silent
    part: str = ""
    plan: Plan = field(default_factory=Plan)
    used: set[str] = field(default_factory=set)

    def under(self, settings: Settings, part: str = "") -> StepCache:
        """The same cache under other settings, or for another part of the work."""
        return replace(self, settings=settings, part=part)

    def run(
        self,
        step: Callable[..., Result],
        *,
        changes_world: bool = False,
        **inputs: Any,
    ) -> Result:
        """What a step returns, computed now or taken from an earlier run.

        Args:
            step: See `colisten.steps`.
            changes_world: It reads or changes releases, pointers or stores, so that it is no
                function of its inputs and always runs.
            inputs: By parameter: artifacts and plain values; not settings.

        Raises:
            ColistenError: As the step does.
        """
        name = step.__name__
        key = _key(step, self.settings, inputs)
        folder = self.root / f"{name}-{key[:_DIGITS]}"
        self.used.add(folder.name)

        place = self.plan.arrive(name, self.part)

        def notify(state: str, seconds: float = 0.0) -> None:
            self.listen(StepEvent(name, state, seconds, self.part, place=place))

        if self.use_cache and not changes_world:
            finished: Result | None = _finished(step, folder, key)
            if finished is not None:
                os.utime(folder / _ENTRY)  # when it was used last
                notify("cached")
                return finished
        shutil.rmtree(folder, ignore_errors=True)
        notify("started")
        began = time.monotonic()
        try:
            returned: Result = execute(step, inputs, settings_of(step, self.settings), folder)
        except Exception:
            notify("failed", time.monotonic() - began)
            raise
        seconds = time.monotonic() - began
        digests = {each: getattr(returned, each).digest for each in result_types(step)}
        entry = {"key": key, "place": str(folder), "digests": digests, "seconds": seconds}
        write_json(folder / _ENTRY, entry)
        _free_memory()
        self.plan.took(place, seconds)
        notify("done", seconds)
        return returned


@contextmanager
def step_cache(
    root: Path,
    workflow: str,
    settings: Settings,
    *,
    use_cache: bool = True,
    listen: Listener = silent,
    plan: Plan | None = None,
) -> Iterator[StepCache]:
    """Hold a folder of finished steps for one run.

    Args:
        root: The folder; made where it is missing.
        workflow: What is run, so that runs of others keep their entries.
        settings: All settings.
        use_cache: Whether finished steps count.
        listen: Called at every change of a step.
        plan: Steps that the run will come to.

    Raises:
        PipelineError: Another run holds the folder.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PipelineError(
                f"Another run is working in {root}.", "Wait for it, or use another folder."
            ) from error
        sweep_partials(root)
        for folder in root.iterdir():
            if folder.is_dir() and not (folder / _ENTRY).exists():
                shutil.rmtree(folder, ignore_errors=True)
        cache = StepCache(root, settings, use_cache, listen, plan=plan or Plan())
        yield cache
        _sweep(root, workflow, sorted(cache.used), settings.cache_keep_days)


def seconds_behind(artifact: Artifact) -> float | None:
    """How long the step took that left an artifact of a cache; None where nothing says so."""
    if artifact.place is None:
        return None
    try:
        return float(read_mapping(artifact.place.parent / _ENTRY)["seconds"])
    except (OSError, KeyError, ValueError, FileError):
        return None


def _key(step: Callable[..., Any], settings: Settings, inputs: dict[str, Any]) -> str:
    parts = {
        "step": step.__name__,
        "settings": settings_json(step, settings),
        # A path is a place; what lies there, an artifact's digest tells.
        "inputs": {
            name: _content(value) for name, value in inputs.items() if not isinstance(value, Path)
        },
    }
    return hashlib.sha256(to_json(parts, sort=True).encode()).hexdigest()


def _content(value: Any) -> Any:
    if isinstance(value, list):
        return [_content(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.digest if isinstance(value, Artifact) else value


def _finished(step: Callable[..., Result], folder: Path, key: str) -> Result | None:
    """A finished step; None where there is none, or its files are gone."""
    kinds = result_types(step)
    try:
        entry = read_mapping(folder / _ENTRY)
        stayed = entry["place"] == str(folder)
        if entry["key"] != key or not all(stayed or each.movable for each in kinds.values()):
            return None
        results = {
            name: kind.load(folder / name, entry["digests"][name]) for name, kind in kinds.items()
        }
    except (OSError, KeyError, FileError, PipelineError):
        return None
    returned: Callable[..., Result] = get_type_hints(step)["return"]
    return returned(**results)


def _sweep(root: Path, workflow: str, used: list[str], keep_days: int | None) -> None:
    """Remove entries that none of the newest runs used, and those that none used for so long."""
    file = root / _RUNS
    try:
        runs = read_mapping(file)
    except (OSError, FileError):
        runs = {}
    runs[workflow] = [used, *(run for run in runs.get(workflow, ()) if run != used)][:KEPT_RUNS]
    write_json(file, runs)
    in_use = {name for newest in runs.values() for run in newest for name in run}
    oldest = 0.0 if keep_days is None else time.time() - keep_days * _DAY_SECONDS
    for folder in root.iterdir():
        if folder.is_dir() and (folder.name not in in_use or _used(folder) < oldest):
            shutil.rmtree(folder, ignore_errors=True)


def _used(folder: Path) -> float:
    """When an entry was made or used last, in seconds."""
    try:
        return (folder / _ENTRY).stat().st_mtime
    except OSError:
        return 0.0


def _free_memory() -> None:
    """Hand back to the system what a step no longer needs."""
    close_own_connection()
    garbage.search()
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
