"""`metrics.json`, which opens with what matters, and `slices.json`, which holds the bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colisten.evaluation.headline import headlines
from colisten.evaluation.seconds import Seconds
from colisten.evaluation.table import EvaluationTable
from colisten.json_files import read_mapping, write_json

METRICS = "metrics.json"
SLICES = "slices.json"
# Of a table; four fifths of its bytes.
_BULK = {"finer", "finer_differences", "calibration"}


def write_metrics(
    out: Path, about: Mapping[str, Any], *, test: EvaluationTable, validation: EvaluationTable
) -> None:
    """Write both files.

    Args:
        out: Folder that owns the run.
        about: What else is to be said of the run.
        test: Evaluation on the window after the cut.
        validation: Evaluation on the window before it.
    """
    tables = {"test": test, "validation": validation}
    write_json(out / SLICES, {name: _bulk(table) for name, table in tables.items()})
    write_json(out / METRICS, _opened(test) | dict(about) | _tables(tables))


def write_seeds(
    out: Path, test: EvaluationTable, seeds: Sequence[int], seconds: Seconds | None = None
) -> None:
    """Put a table over several trainings in the place of that of one, and what things took.

    Args:
        out: Folder whose files `write_metrics` wrote.
        test: Evaluation on the window after the cut.
        seeds: Of the trainings.
        seconds: Of training and of tuning baselines, where they are known.
    """
    slices, metrics = read_mapping(out / SLICES), read_mapping(out / METRICS)
    write_json(out / SLICES, slices | {"test": _bulk(test)})
    more = {"seeds": list(seeds), **_tables({"test": test})}
    if seconds is not None:
        more["seconds"] = {**seconds.model_dump(mode="json"), "slower": list(seconds.slower)}
    write_json(out / METRICS, metrics | _opened(test) | more)


def _opened(test: EvaluationTable) -> dict[str, Any]:
    return {"headline": [each.model_dump(mode="json") for each in headlines(test)]}


def _tables(tables: Mapping[str, EvaluationTable]) -> dict[str, Any]:
    return {name: table.model_dump(mode="json", exclude=_BULK) for name, table in tables.items()}


def _bulk(table: EvaluationTable) -> dict[str, Any]:
    return table.model_dump(mode="json", include=_BULK)
