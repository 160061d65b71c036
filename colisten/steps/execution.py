"""Running a step on artifacts that lie in files: load, call, save.

What is an input, a setting and a result, the step's signature tells.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from colisten.data.moments import parse_moment
from colisten.steps.artifacts.base import Artifact
from colisten.steps.registry import shared_part
from colisten.steps.settings import Step
from colisten.threads import held


def execute(step: Step, inputs: Mapping[str, Any], settings: Mapping[str, Any], out: Path) -> Any:
    """Call a step on saved artifacts and save what it returns.

    Args:
        step: A function as `colisten.steps` describes it.
        inputs: By parameter: an artifact or its place, or a list of them; moments and plain
            values as they are or as text. None or "" stands for no artifact.
        settings: By parameter, see `colisten.steps.settings`.
        out: Folder that the results will lie in, each under its name.

    Returns:
        What the step returned, as it is read from `out`.

    Raises:
        ColistenError: As the step does, or an input cannot be read.
    """
    arguments = _arguments(step, inputs)
    out.mkdir(parents=True, exist_ok=True)
    if "out" in inspect.signature(step).parameters:
        arguments["out"] = out
    with _threads_of(settings):
        returned = step(**arguments, **settings)
    saved = {name: getattr(returned, name).save(out / name) for name in result_types(step)}
    return type(returned)(**saved)


def take_part(step: Step, inputs: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Share in the training of a step that another process executes, and leave nothing.

    Args:
        step: One of `colisten.steps.registry.SHARED`.
        inputs: As that process has them.
        settings: Likewise.
    """
    with _threads_of(settings):
        shared_part(step)(**_arguments(step, inputs), **settings)


def _arguments(step: Step, inputs: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(step)
    return {name: _loaded(name, value, hints[name]) for name, value in inputs.items()}


def _threads_of(settings: Mapping[str, Any]) -> AbstractContextManager[None]:
    """As many threads as the step's settings say; those that say nothing compute nothing."""
    engine = settings.get("engine")
    threads = settings.get("threads") if engine is None else engine.threads
    return nullcontext() if threads is None else held(threads)


def result_types(step: Step) -> dict[str, type[Artifact]]:
    """What a step leaves, by name."""
    return get_type_hints(get_type_hints(step)["return"])


def input_types(step: Step) -> dict[str, Any]:
    """Annotations of a step's parameters but `out`; of those that may be None, without it."""
    hints = get_type_hints(step)
    return {
        name: _present(hints[name]) for name in inspect.signature(step).parameters if name != "out"
    }


def artifact_type(hint: Any) -> type[Artifact] | None:
    """The artifact that a parameter takes, one or a list of it; None where it takes another."""
    hint = _present(hint)
    if get_origin(hint) is list:
        hint = get_args(hint)[0]
    return hint if isinstance(hint, type) and issubclass(hint, Artifact) else None


def _loaded(name: str, value: Any, hint: Any) -> Any:
    kind = artifact_type(hint)
    if kind is not None:
        if isinstance(value, list):
            return [_artifact(each, kind) for each in value]
        return _artifact(value, kind) if value else None
    hint = _present(hint)
    if hint is datetime and isinstance(value, str):
        return parse_moment(value, name)
    return hint(value) if hint in (Path, int, float) else value


def _artifact(value: Any, kind: type[Artifact]) -> Artifact:
    return value if isinstance(value, Artifact) else kind.load(Path(value))


def _present(hint: Any) -> Any:
    """The type without None."""
    if isinstance(hint, UnionType):
        (hint,) = [each for each in get_args(hint) if each is not type(None)]
    return hint
