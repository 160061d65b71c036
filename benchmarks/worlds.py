"""The paper's tables on simulated worlds: who wins, cold users, ablations, long tail, new items.

Every world is drawn, trained on and measured with its own seed, so a spread over worlds holds the
noise of data, training and users together. Differences are paired by world. There are fourteen
podcasts to an audiobook, as in the paper (3.5 million to 250,000), and the catalogue is larger than
that of `colisten simulate`, so that lists do not show most of it: coverage and the long tail have
room to differ.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.ablations.registry import ABLATIONS, FULL
from colisten.evaluation.table import SLICES, EvaluationTable
from colisten.settings.tree import Settings, load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.trials import TEXT, TrainingRun
from colisten.steps.use_cases.compare import compare_trainings

# Other worlds than those that defaults were tried on, and than those of the first result (100 to
# 104), which has been looked at since.
SEEDS = range(300, 305)
NAME = "worlds"
WORLD = WorldSettings(users=5_000, audiobooks=1_000, podcasts=14_000)
SETTINGS: tuple[str, ...] = ()
PRESET, WITHOUT = "paper", "2T"
# What README shows.
SHOWN = (FULL, "2T", "HGNN-mean", "paper", "popularity", "text-KNN")
BESIDE = ("popularity", "text-KNN", "HGNN-mean", "random")
# What the paper's table 1 takes away.
ROWS = tuple(each for each in ABLATIONS if each.row and not each.is_full)
METRICS = ("HR@10", "MRR", "coverage")
TAIL = ("tier 3", "tier 4", "tier 5")
NEW = "new items"
COLUMNS = (
    "all HR@10",
    "all MRR",
    "all coverage",
    "cold HR@10",
    *(f"{tier} HR@10" for tier in TAIL),
    f"{NEW} HR@10",
)


def run() -> None:
    """Who wins, and what each row of the paper's table 1 costs, over all worlds."""
    tables = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            tables.append(measured(Path(folder), seed))
        # After each world, so that a run that is ended early leaves what it has.
        write_result(NAME, summary(tables))


def measured(folder: Path, seed: int) -> EvaluationTable:
    """One world: the full model, what stands beside it, and the ablations."""
    world = WORLD.model_copy(update={"seed": seed})
    window = world_window(folder / "world", simulate(folder / "world", world))

    def settings(*overrides: str) -> Settings:
        return load_settings(None, (*SETTINGS, f"seed={seed}", *overrides))

    trials = [TrainingRun(FULL, settings(), beside=BESIDE), TrainingRun(WITHOUT, settings(), TEXT)]
    trials.append(TrainingRun(PRESET, settings("preset=paper")))
    trials += [TrainingRun(each.name, settings(*each.overrides), each.blocks) for each in ROWS]
    return compare_trainings(window, folder / "run", trials, settings(), subject=FULL)


def summary(tables: list[EvaluationTable]) -> dict[str, Any]:
    """Means over worlds, and how the full model stands to every other."""
    models = tables[0].models
    rows: dict[str, Any] = {}
    against: dict[str, Any] = {}
    for model in models:
        rows[model] = {
            f"{part} {metric}": _mean([table.value(model, metric, part) for table in tables])
            for part in SLICES
            for metric in METRICS
        }
        rows[model] |= {
            f"{part} HR@10": _mean([finer(table, model, part) for table in tables])
            for part in (*TAIL, NEW)
        }
        if model != FULL:
            against[model] = {
                f"{part} {metric}": _difference(tables, model, metric, part)
                for part in SLICES
                for metric in METRICS
            }
            against[model] |= {
                f"{part} HR@10": _finer_difference(tables, model, part) for part in (*TAIL, NEW)
            }
    return {
        **machine(),
        "worlds": len(tables),
        "seeds": [table.seed for table in tables],
        "users": [table.users["all"] for table in tables],
        "candidates": [table.candidates for table in tables],
        "rows": rows,
        f"{FULL} minus": against,
    }


def markdown(result: dict[str, Any], models: Sequence[str]) -> str:
    """Some models as a table, by HR@10; the last column is the full model's lead over each."""
    lines = [
        "| | " + " | ".join(COLUMNS) + f" | {FULL}'s lead in HR@10 |",
        "|---|" + "---|" * (len(COLUMNS) + 1),
    ]
    for model in sorted(models, key=lambda one: -result["rows"][one]["all HR@10"]):
        cells = [
            "–" if value is None else f"{value:.3f}".removeprefix("0")
            for value in (result["rows"][model][column] for column in COLUMNS)
        ]
        cells.append("" if model == FULL else told(result[f"{FULL} minus"][model]["all HR@10"]))
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def told(gain: Mapping[str, float]) -> str:
    """A mean difference with its interval, as tables say it."""
    mean, low, high = (f"{gain[name]:+.3f}".replace("0.", ".") for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def finer(table: EvaluationTable, model: str, part: str) -> float | None:
    """HR@10 of a model on a finer slice; None where the world has no such user."""
    for row in table.finer:
        if (row.model, row.slice) == (model, part):
            return row.metrics["HR@10"].value
    return None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.mean(known), 4) if known else None


def _difference(
    tables: list[EvaluationTable], model: str, metric: str, part: str
) -> dict[str, float] | None:
    return paired_gap(
        [table.value(FULL, metric, part) for table in tables],
        [table.value(model, metric, part) for table in tables],
    )


def _finer_difference(
    tables: list[EvaluationTable], model: str, part: str
) -> dict[str, float] | None:
    return paired_gap(
        [finer(table, FULL, part) for table in tables],
        [finer(table, model, part) for table in tables],
    )


def paired_gap(
    own: Sequence[float | None], other: Sequence[float | None], *, times: float = 1.0
) -> dict[str, float] | None:
    """Own minus the other, or minus a multiple of it, over the worlds that have both."""
    both = zip(own, other, strict=True)
    return paired([one - times * two for one, two in both if one is not None and two is not None])


def paired(gains: Sequence[float]) -> dict[str, float] | None:
    """Mean over worlds with Student's interval; None for fewer than two."""
    if len(gains) < 2:
        return None
    half = stats.t.ppf(0.975, len(gains) - 1) * statistics.stdev(gains) / len(gains) ** 0.5
    middle = statistics.mean(gains)
    return {
        name: round(float(value), 4)
        for name, value in (("mean", middle), ("low", middle - half), ("high", middle + half))
    }
