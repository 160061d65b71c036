"""What every component does: load its inputs, call the step of the library, save, log figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colisten import garbage
from colisten.components.failures import forget, note
from colisten.components.home import at_home
from colisten.components.train_job import submission, trained
from colisten.logs import configure_logs
from colisten.steps.execution import execute, input_types, result_types
from colisten.steps.registry import step_named
from colisten.steps.settings import settings_from_json


def launch(name: str, arguments: Mapping[str, Any]) -> None:
    """Run a step on what Kubeflow handed to its component.

    Args:
        name: Of the step.
        arguments: The component's own, by name: artifacts, values, and `settings`, which
            `colisten.steps.settings.settings_json` wrote.
    """
    garbage.search_rarely()
    configure_logs()
    try:
        _run(name, arguments)
    except Exception as error:
        note(name, error)
        raise
    forget(name)


def _run(name: str, arguments: Mapping[str, Any]) -> None:
    step = step_named(name)
    settings = settings_from_json(step, arguments["settings"])
    places: dict[str, Any] = {
        each: [_path(one) for one in value] if isinstance(value, list) else _path(value)
        for each, value in arguments.items()
    }
    inputs = {each: places[each] for each in input_types(step) if each not in settings}
    outputs = list(result_types(step))
    if (given := submission()) is not None:
        with trained(step, inputs, arguments["settings"], given) as returned:
            _save(returned, outputs, places, arguments)
        return
    with at_home(step, inputs, settings) as here:
        returned = execute(step, here, settings, Path(places[outputs[0]]).parent)
    _save(returned, outputs, places, arguments)


def _save(
    returned: Any, outputs: list[str], places: Mapping[str, Any], arguments: Mapping[str, Any]
) -> None:
    for each in outputs:
        made = getattr(returned, each).save(Path(places[each]))
        if isinstance(arguments[each], str):
            continue  # a parameter: Kubeflow takes the file's text
        arguments[each].metadata["digest"] = made.digest
        if each == "metrics":
            _log(arguments[each], made.figures)


def _path(value: Any) -> Any:
    """The place of an artifact of Kubeflow's; anything else as it is."""
    return getattr(value, "path", value)


def _log(metrics: Any, figures: Mapping[str, float | None]) -> None:
    """Log every figure that is a number: Kubeflow has no place for others in its JSON."""
    for name, value in figures.items():
        if value is not None and math.isfinite(value):
            metrics.log_metric(name, float(value))
