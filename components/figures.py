"""What a step measured: told to Kubeflow and written as the step's own JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colisten.json_files import write_json


def log_figures(metrics: Any, figures: Mapping[str, float | None]) -> None:
    """Log every figure that is a number, and write all of them to the artifact's file.

    Kubeflow copies what it is told into JSON of its own, where a figure that is not finite has no
    place; in our file it is null.

    Args:
        metrics: A kfp `Metrics` artifact.
        figures: By name.
    """
    for name, value in figures.items():
        if value is not None and math.isfinite(value):
            metrics.log_metric(name, float(value))
    write_json(Path(metrics.path), figures, indent=None)
