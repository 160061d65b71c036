"""Whether drift is quiet in quiet weeks and names what was planted: five worlds, 20 seeds each."""

from __future__ import annotations

from typing import Any

from benchmarks.drift_plants import PLANTS, Week
from benchmarks.drift_worlds import Texts, World
from benchmarks.pairs import machine, write_result
from colisten.monitoring.diagnosis import causes_of
from colisten.monitoring.drift import moved_names
from colisten.monitoring.profile import WindowProfile

NAME = "drift_causes"
WORLDS, WEEKS, SEEDS, BEFORE, LOOKED_AT = 5, 52, 20, 12, 26
_PLANTED = 1_000
"""Seeds of planted worlds begin here, so that limits are not tried on the quiet ones."""


def run() -> None:
    """Quiet weeks of five worlds; then each plant in a week after twelve quiet ones."""
    quiet = {str(seed): alerts(seed, WEEKS) for seed in range(WORLDS)}
    firsts = {name: [first_cause(name, seed) for seed in range(SEEDS)] for name in PLANTS}
    write_result(
        NAME,
        machine()
        | {
            "worlds": WORLDS,
            "weeks": WEEKS,
            "alerts": sum(map(len, quiet.values())),
            "alerts_by_world": quiet,
            "seeds": SEEDS,
            "earlier_windows": BEFORE,
            "named": {name: each.count(PLANTS[name][1]) for name, each in firsts.items()},
            "first_causes": firsts,
        },
    )


def alerts(seed: int, weeks: int) -> list[str]:
    """What moved in a world in which nothing does, by week."""
    world, texts = World(seed), Texts(seed)
    earlier: list[WindowProfile] = []
    found: list[str] = []
    for number in range(weeks):
        week = Week.of(world, texts, number)
        now = week.profile()
        moved = moved_names(week.checks(earlier[-LOOKED_AT:], now))
        if moved:
            found.append(f"week {number}: {', '.join(moved)}")
        earlier.append(now.model_copy(update={"moved": moved}))
    return found


def first_cause(name: str, seed: int) -> str:
    """The likeliest cause that is named of a planted week; empty where nothing moved."""
    world, texts = World(_PLANTED + seed), Texts(seed)
    earlier = [Week.of(world, texts, seed).profile() for _ in range(BEFORE)]
    week = Week.of(world, texts, seed)
    PLANTS[name][0](week)
    causes = causes_of(week.checks(earlier, week.profile()))
    return causes[0].cause if causes else ""


def markdown(result: dict[str, Any] | None) -> str:
    """The table of docs/monitoring.md."""
    if result is None:
        return "Not measured yet."
    seeds = result["seeds"]
    lines = ["| planted | found and named first |", "|---|---|"]
    lines += [
        f"| {PLANTS[name][2]} | {count} of {seeds} |" for name, count in result["named"].items()
    ]
    weeks = result["worlds"] * result["weeks"]
    return "\n".join([*lines, f"| nothing, in {weeks} weeks | {result['alerts']} alerts |"])
