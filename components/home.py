"""The home of a step: a folder, or a store that is a folder while the step runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colisten.settings.sections import FeatureSettings
from colisten.steps.artifacts.release import Published
from colisten.steps.execution import input_types
from colisten.steps.settings import Step
from colisten.steps.use_cases.store import home_named

HOME = "home"


@contextmanager
def at_home(
    step: Step, inputs: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """A step's inputs with a folder for its home; what it changes there is pushed at the end.

    Args:
        step: Of the library.
        inputs: As Kubeflow handed them over; `home` may be s3://bucket/prefix.
        settings: By parameter.

    Raises:
        StoreChanged: Another writer was first: nothing of this step is served.
        ConfigError: Online features in SQLite, which no other service could read.
    """
    place = home_named(str(inputs.get(HOME, "")))
    if HOME not in inputs or isinstance(place, Path):
        yield inputs
        return
    from colisten.store.feature_sets import check_online_store
    from colisten.store.places import worked_on
    from colisten.store.pushing import push_results

    for section in settings.values():
        if isinstance(section, FeatureSettings):
            check_online_store(section.online_store)
    named = [name for name, kind in input_types(step).items() if kind is Published]
    needed = [Published.load(Path(inputs[name])).release_id for name in named]
    with worked_on(place, needed) as mirror:
        yield {**inputs, HOME: mirror.home}
        push_results(mirror.bucket, mirror.home)
