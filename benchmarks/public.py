"""The default settings on a public set beside tuned rivals: the table in README.

Amazon reviews (McAuley group, UCSD) of people who bought both groceries and kitchenware, as split
by FedCSR and LLMCDSR: groceries stand for audiobooks, kitchenware for podcasts. A proxy, and no
media; what it has is real people, real time and two types. `COLISTEN_REAL_DATA` names the folder
that holds it as contract tables in `amazon_food_kitchen/`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pairs import machine, write_result
from colisten.evaluation.table import EvaluationTable
from colisten.settings.tree import Settings
from colisten.steps.use_cases.run import run as make_release

NAME = "public_food_kitchen"
CUTS, DAYS, SEEDS = ("2013-11-15", "2014-04-24"), 90, 3
SETTINGS = Settings()
COLUMNS = (
    ("all", "HR@10"),
    ("all", "MRR"),
    ("all", "coverage"),
    ("warm", "HR@10"),
    ("warm", "MRR"),
    ("cold", "HR@10"),
    ("cold", "MRR"),
    ("cold", "coverage"),
)


def run() -> None:
    """Run the release pipeline at both cuts, three seeds each; write what was measured."""
    root = os.environ.get("COLISTEN_REAL_DATA")
    if root is None:
        print(f"{NAME}: COLISTEN_REAL_DATA is unset, so there is nothing to measure on")
        return
    with tempfile.TemporaryDirectory() as folder:
        cuts: dict[str, Any] = {}
        for cut in CUTS:
            started = time.monotonic()
            made = make_release(
                Path(root) / "amazon_food_kitchen",
                cut,
                Path(folder) / cut,
                SETTINGS,
                window_days=DAYS,
                seeds=SEEDS,
            )
            cuts[cut] = collected(made.table)
            cuts[cut]["seconds"] = round(time.monotonic() - started)
            write_result(NAME, {**machine(), "cuts": cuts})


def collected(table: EvaluationTable) -> dict[str, Any]:
    """Values and intervals of every model, and the subject's differences."""
    rows = {
        model: {
            f"{part} {metric}": [
                None if value is None else round(value, 4)
                for value in (measure.value, measure.low, measure.high)
            ]
            for part, metric in COLUMNS
            for measure in (table.row(model, part).metrics[metric],)
        }
        for model in table.models
    }
    differences = {
        f"{each.against}, {each.slice} {each.metric}": [
            None if value is None else round(value, 4)
            for value in (each.value, each.low, each.high)
        ]
        for each in table.differences
        if (each.slice, each.metric) in COLUMNS
    }
    return {
        "seeds": [SETTINGS.seed + number for number in range(SEEDS)],
        "users": table.users,
        "rows": rows,
        f"{table.subject} minus": differences,
    }


def markdown(rows: Mapping[str, Mapping[str, Sequence[float | None]]]) -> str:
    """One cut as a table: models by HR@10, the best of each column in bold; chance left out."""
    named = {model: row for model, row in rows.items() if model != "random"}
    names = [f"{part} {metric}" for part, metric in COLUMNS]
    best = {name: max(row[name][0] or 0.0 for row in named.values()) for name in names}
    order = sorted(named, key=lambda model: -(named[model]["all HR@10"][0] or 0.0))
    lines = [
        "| | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for model in order:
        cells = []
        for name in names:
            value = named[model][name][0]
            text = "–" if value is None else f"{value:.4f}".lstrip("0")
            cells.append(f"**{text}**" if value == best[name] else text)
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
