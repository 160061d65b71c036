"""A step by its command line: what the pods of a TrainJob and of a SparkApplication run.

    torchrun -m colisten.components.entry train_hgnn --settings settings.json --out results \\
        graph=/colisten/graph text=/colisten/text checkpoints=/colisten/checkpoints
    spark-submit entry.py build_graph --spark --config settings.yaml --out results \\
        history=/colisten/history as_of=2025-06-16

Inputs are NAME=VALUE: the place of an artifact, or a value; a list repeats its name. The results
lie in --out, each under its name, all of them or none. Under `torchrun` one process executes the
step and the others take part in its training.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

# Run by its path, as Spark does, Python would look for modules in this folder first.
if __name__ == "__main__" and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
    del sys.path[0]

from colisten import garbage
from colisten.child import end_with
from colisten.errors import ColistenError, ConfigError
from colisten.files import write_aside
from colisten.logs import configure_logs, logger
from colisten.settings.tree import load_settings
from colisten.steps.execution import artifact_type, execute, input_types, take_part
from colisten.steps.registry import step_named
from colisten.steps.settings import Step, settings_from_json, settings_of
from colisten.words import known_word

log = logger("entry")


def main(words: list[str] | None = None) -> int:
    """Read the arguments and run the step; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="entry", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", help="its name, such as build_graph")
    parser.add_argument("inputs", nargs="*", metavar="NAME=VALUE", help="place or value")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--settings", type=Path, help="what the step reads, as pipelines have it")
    parser.add_argument("--config", type=Path, help="YAML of settings, instead of --settings")
    parser.add_argument("--spark", action="store_true", help="count on the Spark it runs on")
    given = parser.parse_intermixed_args(words)
    garbage.search_rarely()
    configure_logs()
    try:
        step = step_named(given.step)
        read = (
            settings_from_json(step, given.settings.read_text())
            if given.settings is not None
            else settings_of(step, load_settings(given.config, ()))
        )
        run(step, named_inputs(step, given.inputs), read, given.out, spark=given.spark)
    except ColistenError as error:
        log.error("step failed", step=given.step, reason=str(error))
        return error.exit_code
    return 0


def run(
    step: Step,
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    out: Path,
    *,
    spark: bool = False,
) -> None:
    """Execute a step, or take part in it as one process of several.

    Args:
        step: Of the library.
        inputs: By parameter, see `colisten.steps.execution.execute`.
        settings: By parameter.
        out: Folder of the results; replaced whole.
        spark: Count on Spark.
    """
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if processes > 1:
        end_with(os.getppid())
    if processes > 1 and int(os.environ["RANK"]):
        take_part(step, inputs, settings)
        return
    if spark:
        from colisten.data.spark import on_spark
    with on_spark() if spark else nullcontext(), write_aside(out) as aside:
        execute(step, inputs, settings, aside)


def named_inputs(step: Step, pairs: Iterable[str]) -> dict[str, Any]:
    """Inputs of a step by name; raises ConfigError where one is unknown or has no value."""
    kinds, named = input_types(step), dict[str, Any]()
    for pair in pairs:
        name, is_there, value = pair.partition("=")
        if not is_there:
            raise ConfigError(f"'{pair}' names no input.", "Write NAME=VALUE.")
        known_word(f"Input of {step.__name__}", name, tuple(kinds))
        named.setdefault(name, []).append(value)
    return {name: _one_or_all(name, values, kinds[name]) for name, values in named.items()}


def _one_or_all(name: str, values: list[str], kind: Any) -> Any:
    if getattr(kind, "__origin__", None) is list:
        return values
    if len(values) > 1:
        raise ConfigError(f"The input {name} is given {len(values)} times.", "Give it once.")
    (value,) = values
    return value or None if artifact_type(kind) else value


if __name__ == "__main__":
    raise SystemExit(main())
