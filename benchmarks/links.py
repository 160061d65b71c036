"""What links are worth to titles that nobody has started: the same authors, with and without.

Every world is drawn, trained on and measured with its own seed. Its authors have tastes of their
own, part of which no text shows; most of its titles appear shortly before the cut, so that many
have no start by then. Both trainings see the same tables, one of them without the relations of
`links`; the difference is paired by world. Text alone (text-KNN) stands beside them, since it knows
a title from its first day.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from benchmarks.worlds import NEW, finer, paired_gap
from colisten.evaluation.table import EvaluationTable
from colisten.settings.tree import Settings, load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.steps.trials import TrainingRun
from colisten.steps.use_cases.compare import compare_trainings

# Other worlds than any that a default was tried on, and than those of the first result (200 to
# 205), which has been looked at since.
SEEDS = range(400, 406)
WORLD = WorldSettings(
    users=1_500,
    audiobooks=800,
    podcasts=400,
    days=60,
    new_audiobooks=0.9,
    audiobook_tail=1.2,
    visible_strength=4.0,
    hidden_strength=8.0,
    author_taste=0.8,
)
SETTINGS: tuple[str, ...] = ()
WITH, WITHOUT, TEXT_ALONE = "with links", "without links", "text-KNN"
TWICE = "difference to twice text-KNN"
NAME = "links"
PARTS = (NEW, "tier 5", "all")


def run() -> None:
    """HR@10 of never-started titles, of the least started ones and of all, over all worlds."""
    tables = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            tables.append(measured(Path(folder), seed))
        # After each world, so that a run that is ended early leaves what it has.
        write_result(NAME, summary(tables))
    print(f"links: {NEW}: {summary(tables)['HR@10'][NEW]['difference']}")


def measured(folder: Path, seed: int) -> EvaluationTable:
    """One world: the default model with and without links."""
    world = WORLD.model_copy(update={"seed": seed})
    window = world_window(folder / "world", simulate(folder / "world", world))

    def settings(*overrides: str) -> Settings:
        return load_settings(None, (*SETTINGS, f"seed={seed}", *overrides))

    trials = [
        TrainingRun(WITH, settings(), beside=(TEXT_ALONE,)),
        TrainingRun(WITHOUT, settings("graph.links=[]")),
    ]
    return compare_trainings(window, folder / "run", trials, settings(), subject=WITH)


def summary(tables: list[EvaluationTable]) -> dict[str, Any]:
    """Each world's HR@10 on both sides, and the mean difference with its interval."""
    rows: dict[str, Any] = {}
    for part in PARTS:
        sides = {
            model: [
                table.value(model, "HR@10", part) if part == "all" else finer(table, model, part)
                for table in tables
            ]
            for model in (WITH, WITHOUT, TEXT_ALONE)
        }
        rows[part] = {
            **sides,
            "difference": paired_gap(sides[WITH], sides[WITHOUT]),
            TWICE: paired_gap(sides[WITH], sides[TEXT_ALONE], times=2.0),
        }
    return {
        **machine(),
        "world": WORLD,
        "seeds": [*SEEDS],
        "users": [table.users["all"] for table in tables],
        "candidates": [table.candidates for table in tables],
        "HR@10": rows,
    }


if __name__ == "__main__":
    run()
