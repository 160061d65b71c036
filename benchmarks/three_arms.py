"""The paper's table 5 on a simulated world: three arms, what the report says of them, the truth.

A release is made from the world's tables as ever, its three shelves are shown to the world's users
for a fortnight, and the experiment is read twice: against what is popular, and 2T-HGNN against 2T.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.pairs import machine, write_result
from benchmarks.runs import world_window
from colisten.experiments.reading import Comparison
from colisten.experiments.truth import TRUTH
from colisten.json_files import read_mapping
from colisten.settings.tree import load_settings
from colisten.simulator import WorldSettings, simulate
from colisten.statistics.interval import Interval
from colisten.steps.use_cases.experiment import SHARES, compare_experiment, simulate_experiment
from colisten.steps.use_cases.run import run as make_release

NAME = "three_arms"
WORLD = WorldSettings()
SETTINGS = ("evaluation.baselines=false", "evaluation.bootstrap=200")
METRIC = "new_start_rate"
INCUMBENT, TOWERS, GRAPH = SHARES
PAIRS = ((TOWERS, INCUMBENT), (GRAPH, INCUMBENT), (GRAPH, TOWERS))


def run() -> None:
    """One world, one release, one experiment."""
    with tempfile.TemporaryDirectory() as folder:
        write_result(NAME, {**machine(), **measured(Path(folder), WORLD)})


def measured(folder: Path, settings: WorldSettings) -> dict[str, Any]:
    """One release on a new world, and its arms.

    Args:
        folder: Empty.
        settings: What world.
    """
    world, home = folder / "world", folder / "run"
    window = world_window(world, simulate(world, settings))
    make_release(world, window.cut, home, load_settings(None, SETTINGS), window_days=window.days)
    return arms_of(world, home, days=settings.window_days)


def arms_of(world: Path, home: Path, *, days: int) -> dict[str, Any]:
    """New-start rates and their lifts as the report reads them, and as they are in truth.

    Args:
        world: A simulated world.
        home: Folder of a finished run on it.
        days: Length of the experiment.
    """
    simulate_experiment(world, home, days=days, seed=0)
    truth = read_mapping(home / "experiment" / TRUTH)["arms"]
    readings = {
        control: compare_experiment(
            world, home / "experiment", home / "reports" / "experiment.html", control=control
        )
        for control in (INCUMBENT, TOWERS)
    }
    return {
        "arms": {
            arm.name: {
                "users": arm.users,
                METRIC: _ends(arm.values[METRIC]),
                "truth": round(truth[arm.name][METRIC], 4),
                "caused": round(truth[arm.name][f"caused_{METRIC}"], 4),
            }
            for arm in readings[INCUMBENT].arms
        },
        "lifts": [
            {
                "arm": arm,
                "over": over,
                "lift": _ends(_lift(readings[over], arm)),
                "truth": round(truth[arm][METRIC] / truth[over][METRIC] - 1, 4),
            }
            for arm, over in PAIRS
        ],
        "split_is_sound": readings[INCUMBENT].split_is_sound,
    }


def holds(row: dict[str, Any], name: str) -> bool:
    """Whether the interval of a row of the result holds its truth."""
    _, low, high = row[name]
    return bool(low <= row["truth"] <= high)


def markdown(result: dict[str, Any] | None) -> str:
    """The result in words, and the arms as a table."""
    if not result:
        return "Not measured yet."
    arms = result["arms"]
    order = [GRAPH, TOWERS, INCUMBENT]
    started = ", ".join(f"{1_000 * arms[arm][METRIC][0]:.0f} by {arm}" for arm in order)
    true = ", ".join(f"{1_000 * arms[arm]['truth']:.0f}" for arm in order)
    said = "; ".join(
        f"{one['arm']} has {_percent(one['lift'][0])} more of them than {one['over']} "
        f"({_percent(one['lift'][1])} to {_percent(one['lift'][2])}, in truth "
        f"{_percent(one['truth'])})"
        for one in result["lifts"]
    )
    lines = [
        f"Of 1,000 users who are shown a shelf, so many start a title that is new to them: "
        f"{started}; in truth {true}. {said}.",
        "",
        "| arm | users | new-start rate (95 %) | in truth | of it caused by the shelf |",
        "|---|---|---|---|---|",
    ]
    for arm in order:
        value, low, high = (_percent(end) for end in arms[arm][METRIC])
        lines.append(
            f"| {arm} | {arms[arm]['users']:,} | {value} ({low} to {high}) | "
            f"{_percent(arms[arm]['truth'])} | {_percent(arms[arm]['caused'])} |"
        )
    return "\n".join(lines)


def _lift(reading: Comparison, arm: str) -> Interval | None:
    """Adjusted for all lifts of the reading."""
    return next(
        lift.adjusted_lift for lift in reading.lifts if (lift.arm, lift.metric) == (arm, METRIC)
    )


def _ends(interval: Interval | None) -> list[float] | None:
    if interval is None:
        return None
    return [round(end, 4) for end in (interval.value, interval.low, interval.high)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
