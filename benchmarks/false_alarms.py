"""How often an experiment without any difference says that there is one, read once or every day.

Users of a simulated world are shown one shelf for a fortnight, and what they did by the end of each
day is read as `colisten experiment report` reads it. Then arms are dealt to them a thousand times
by the service's own hash: whatever is found is false. Scores of all of these experiments are
computed at once; `tests/benchmarks/test_false_alarms.py` holds them to `compare_arms`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.pairs import machine, write_result
from benchmarks.simulated_experiments import DAYS, HOURS, Experiment, shelves_of, visits_of
from colisten.experiments.assignment import assign
from colisten.experiments.design import ExperimentDesign
from colisten.experiments.looks import Look, look_of
from colisten.progress import track
from colisten.simulator import WorldSettings, simulate
from colisten.statistics.sequential import ONE_LOOK

NAME = "false_alarms"
WORLD = WorldSettings(seed=19)
RUNS = 1_000
ARMS = ("control", "first", "second")
METRICS: Mapping[str, tuple[str, bool]] = {
    "new_start_rate": ("new_starts", True),
    "stream_rate": ("streams", True),
    "new_starts_per_user": ("all_new_starts", False),
}
"""By metric the column of the outcomes, and whether it is a share of users."""
ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Scores:
    """Of many experiments at one look, read for every lift: float64 [runs, arms - 1, metrics].

    Attributes:
        score: Log ratio to the control in standard errors; nan where it is not defined.
        information: One over its squared standard error; 0 where it is not defined.
    """

    score: np.ndarray
    information: np.ndarray


def run() -> None:
    """A thousand experiments on one world."""
    visits = visits_of(WORLD)
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        simulate(world, WORLD)
        (Path(folder) / "shown").mkdir()
        shelf = {"one": shelves_of(world)["popular"]}
        experiment = Experiment(world, Path(folder) / "shown", shelf, visits, seed=1)
        days = [visits.start + timedelta(days=day) for day in range(1, DAYS + 1)]
        known = {day: experiment.outcomes(day) for day in track(days, "Reading days")}
    write_result(NAME, {**machine(), **measured(known, visits.start, RUNS)})


def measured(known: Mapping[datetime, pa.Table], start: datetime, runs: int) -> dict[str, Any]:
    """Shares of experiments with an alarm, each lift alone and any lift of the family.

    Args:
        known: By moment of a look the outcomes as they are known then, the last at the end.
        start: Of the experiment.
        runs: Experiments.
    """
    moments = list(known)
    end = moments[-1]
    shares: dict[str, Any] = {"arms": dict.fromkeys(ARMS, 1 / 3), "control": "control"}
    fields = {"name": NAME, "start": start, "attribution_hours": float(HOURS), **shares}
    planned = ExperimentDesign.model_validate(fields | {"end": end, "looks": moments[:-1]})
    scores = _all_scores(known, runs)
    # Without an end: narrowest where the last day's interval of the primary metric reaches.
    reach = float(np.nanmedian(scores[-1].information[:, :, 0])) ** -0.5 * 3.035
    # A design takes ten at most, which few users reach.
    smallest = min(float(np.expm1(reach)), 10.0)
    opened = ExperimentDesign.model_validate(fields | {"smallest_lift": smallest})
    once = look_of(None, users=0)
    grouped, at_any = (
        [look_of(design, users=0, until=moment) for moment in moments]
        for design in (planned, opened)
    )
    ways = {
        "once, at the end": ([scores[-1]], [once]),
        "every day, as if once": (scores, [once] * len(scores)),
        "every day, group sequential": (scores, grouped),
        "every day, confidence sequence": (scores, at_any),
    }
    return {
        "experiments": runs,
        "users": known[end].num_rows,
        "looks": len(moments),
        "lifts": (len(ARMS) - 1) * len(METRICS),
        "ways": {name: alarms(*way) for name, way in ways.items()},
    }


def markdown(result: Mapping[str, Any] | None) -> str:
    """The ways of reading as a table."""
    if not result:
        return "Not measured yet."
    lines = [
        f"| read ({result['experiments']:,} experiments, {result['users']:,} users, "
        f"{result['looks']} days, {result['lifts']} lifts) | a lift alone is falsely found | "
        "any of the lifts | any of them, adjusted | width of the last interval |",
        "|---|---|---|---|---|",
    ]
    for name, way in result["ways"].items():
        low, high = (100 * end for end in (min(way["each_lift"]), max(way["each_lift"])))
        lines.append(
            f"| {name} | {low:.1f} to {high:.1f} % | {100 * way['any_lift_alone']:.1f} % "
            f"| {100 * way['any_lift_adjusted']:.1f} % | {way['last_width']:.2f} |"
        )
    return "\n".join(lines)


def alarms(scores: Sequence[Scores], looks: Sequence[Look]) -> dict[str, Any]:
    """How often one of these looks says that there is a difference.

    Holm's procedure rejects something exactly where the farthest of m scores passes the bound of
    alpha / m, so the family needs no more than that.
    """
    lifts = scores[0].score[0].size
    alone = np.zeros(scores[0].score.shape, dtype=bool)
    family = np.zeros(len(alone), dtype=bool)
    for one, look in zip(scores, looks, strict=True):
        far = np.abs(np.nan_to_num(one.score))
        alone |= far > _bounds(one, look, ALPHA)
        family |= (far > _bounds(one, look, ALPHA / lifts)).any(axis=(1, 2))
    last = np.median(_bounds(scores[-1], looks[-1], ALPHA)[scores[-1].information > 0])
    return {
        "each_lift": np.round(alone.mean(axis=0), 4).ravel().tolist(),
        "any_lift_alone": round(float(alone.any(axis=(1, 2)).mean()), 4),
        "any_lift_adjusted": round(float(family.mean()), 4),
        "last_width": round(float(last) / ONE_LOOK.critical(ALPHA, 1.0), 4),
    }


def scores_of(outcomes: pa.Table, dealt: np.ndarray) -> Scores:
    """Lifts of all experiments on users with full follow-up.

    Args:
        outcomes: Of users.
        dealt: Arm of each in every experiment, int8 [runs, users].
    """
    followed = np.asarray(outcomes["observed_days"]) * 24 >= HOURS
    columns = {
        name: np.asarray(outcomes[column], dtype=np.float64)[followed]
        for name, (column, _) in METRICS.items()
    }
    values = np.column_stack(
        [columns[name] > 0 if share else columns[name] for name, (_, share) in METRICS.items()]
    ).astype(np.float64)
    logs, variances = [], []
    with np.errstate(divide="ignore", invalid="ignore"):
        for arm in range(len(ARMS)):
            own = (dealt[:, followed] == arm).astype(np.float64)
            users = own.sum(axis=1)[:, None]
            mean, square = own @ values / users, own @ values**2 / users
            # Of a share the variance of the log is Katz's, of a mean the delta method's.
            bessel = np.array([0.0 if share else 1.0 for _, share in METRICS.values()])
            logs.append(np.log(mean))
            variances.append((square / mean**2 - 1) / (users - bessel))
        variance = np.stack([variances[0] + own for own in variances[1:]], axis=1)
        ratio = np.stack([own - logs[0] for own in logs[1:]], axis=1)
        defined = np.isfinite(ratio) & (variance > 0)
        score = np.where(defined, ratio / np.sqrt(variance), np.nan)
        return Scores(score, np.where(defined, 1 / variance, 0.0))


def dealt_arms(users: Sequence[str], runs: int) -> np.ndarray:
    """Arms of users in experiments of other names, int8 [runs, users]."""
    shares = dict.fromkeys(ARMS, 1 / len(ARMS))
    place = {arm: number for number, arm in enumerate(ARMS)}
    return np.array(
        [
            [place[assign(user, experiment=f"{NAME}-{run}", arms=shares)] for user in users]
            for run in track(range(runs), "Dealing arms")
        ],
        dtype=np.int8,
    )


def _all_scores(known: Mapping[datetime, pa.Table], runs: int) -> list[Scores]:
    """Of every look."""
    everybody = list(known.values())[-1]["user_id"].to_pylist()
    dealt = dealt_arms(everybody, runs)
    place = {user: row for row, user in enumerate(everybody)}
    return [
        scores_of(table, dealt[:, [place[user] for user in table["user_id"].to_pylist()]])
        for table in known.values()
    ]


def _bounds(scores: Scores, look: Look, alpha: float) -> np.ndarray:
    """Of every lift; those that are not defined have none that is passed."""
    information = scores.information.ravel()
    found = [look.boundary.critical(alpha, one) if one > 0 else np.inf for one in information]
    return np.reshape(found, scores.information.shape)
