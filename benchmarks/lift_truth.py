"""Do intervals of lifts hold the truth as often as they say, and what does CUPED take off them?

In a simulated world every user's chances under both shelves are known, so the true lift is. A share
of the treated users is shown what they like best in truth and the others what is popular; the share
is chosen so that the true lift in new starts is the wanted one. Experiments then deal arms by the
service's hash, and each user does or does not by their own chance.

A few experiments are played whole beside them, from shelves to `compare_arms`: they hold the
chances themselves to what comes out.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.false_alarms import dealt_arms
from benchmarks.pairs import machine, write_result
from benchmarks.simulated_experiments import Experiment, shelves_of, visits_of
from colisten.experiments.comparison import compare_arms
from colisten.experiments.figures import figures_of
from colisten.experiments.means import change_of
from colisten.experiments.metrics import chosen_metrics
from colisten.progress import track
from colisten.simulator import WorldSettings, simulate
from colisten.simulator.expected import Visits, expected_chances, organic_streams
from colisten.statistics.log_ratio import ratio_of_shares

NAME = "lift_truth"
WORLD = WorldSettings(seed=46)
LIFTS = (0.0, 0.02, 0.2, 0.46)
RATES = ("new_start_rate", "stream_rate")
RUNS, PLAYED = 1_000, 20
PLAYED_LIFT = 0.2
_CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Chances:
    """Of every user, float64 [users, `RATES`].

    Attributes:
        users: Ids.
        control: Were what is popular shown.
        personal: Were what they like best shown.
    """

    users: list[str]
    control: np.ndarray
    personal: np.ndarray

    def treated(self, lift: float) -> np.ndarray:
        """Users who are shown what they like best, bool, for a true lift in new starts.

        They are the first of the users in a shuffled order with which the lift is reached.
        """
        order = np.random.default_rng(0).permutation(len(self.users))
        gain = np.cumsum((self.personal - self.control)[order, 0]) / self.control[:, 0].sum()
        count = int(np.argmax(gain >= lift)) + 1 if lift else 0
        if lift and gain.max() < lift:
            raise ValueError(f"No shelf of this world lifts new starts by {lift:.0%}.")
        return np.isin(np.arange(len(order)), order[:count])

    def of_arm(self, treated: np.ndarray) -> np.ndarray:
        """Chances under an arm that shows `treated` what they like best."""
        return np.where(treated[:, None], self.personal, self.control)


def run() -> None:
    """Every lift a thousand times, one of them played whole, and CUPED."""
    visits = visits_of(WORLD)
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        simulate(world, WORLD)
        shelves = shelves_of(world)
        chances = chances_of(world, shelves, visits)
        dealt = dealt_arms(chances.users, RUNS)
        result = {
            "experiments": RUNS,
            "users": len(chances.users),
            "lifts": {f"{lift:g}": coverage(chances, lift, dealt) for lift in LIFTS},
            "played": played(world, Path(folder), shelves, chances, visits),
        }
    write_result(NAME, {**machine(), **result})


def markdown(result: Mapping[str, Any] | None) -> str:
    """True lifts, how often they are held, and CUPED, as tables."""
    if not result:
        return "Not measured yet."
    lines = ["| rate | true lift | intervals that hold it |", "|---|---|---|"]
    for rate in RATES:
        for one in (rates[rate] for rates in result["lifts"].values()):
            lines.append(
                f"| `{rate}` | {100 * one['true_lift']:+.1f} % | {100 * one['coverage']:.1f} % |"
            )
    whole = result["played"]
    lines += [
        "",
        f"Of {whole['experiments']} experiments played whole at {100 * whole['true_lift']:+.1f} %, "
        f"{whole['held']} of {whole['of']} intervals held it. In them CUPED left this of an "
        "interval's width:",
        "",
        "| metric | rho | of the width | sqrt(1 - rho²) |",
        "|---|---|---|---|",
    ]
    for name, one in whole["cuped"].items():
        figures = f"{one['rho']:.2f} | {one['width']:.3f} | {one['expected']:.3f}"
        lines.append(f"| `{name}` | {figures} |")
    return "\n".join(lines)


def chances_of(world: Path, shelves: Mapping[str, pa.Table], visits: Visits) -> Chances:
    """Of the users of a world under both shelves."""
    organic = organic_streams(world / "interactions.parquet", visits.start)
    tables = [
        expected_chances(world / "truth", shelves[name], organic, visits)
        for name in ("popular", "personal")
    ]
    columns = [np.column_stack([table[rate] for rate in RATES]) for table in tables]
    return Chances(tables[0]["user_id"].to_pylist(), *columns)


def coverage(chances: Chances, lift: float, dealt: np.ndarray) -> dict[str, Any]:
    """By rate the true lift and how often its interval holds it.

    Args:
        chances: Of all users.
        lift: True lift in new starts that is wanted.
        dealt: Arm of each user in every experiment, [runs, users]: 0 is the control's, the others
            are the treatment's.
    """
    rng = np.random.default_rng(int(1_000 * lift))
    new = chances.of_arm(chances.treated(lift))
    truth = new.mean(axis=0) / chances.control.mean(axis=0) - 1
    held, widths = np.zeros(len(RATES)), np.zeros(len(RATES))
    for arms in dealt:
        control = arms == 0
        did = rng.random(new.shape) < np.where(control[:, None], chances.control, new)
        for at in range(len(RATES)):
            own, base = did[~control, at], did[control, at]
            ratio = ratio_of_shares(int(own.sum()), len(own), int(base.sum()), len(base))
            if ratio is None:  # nobody in an arm: no interval, which holds nothing
                continue
            read = ratio.lift(_CONFIDENCE)
            held[at] += read.low <= truth[at] <= read.high
            widths[at] += read.high - read.low
    return {
        rate: {
            "true_lift": round(float(truth[at]), 4),
            "coverage": round(float(held[at]) / len(dealt), 4),
            "mean_width": round(float(widths[at]) / len(dealt), 4),
        }
        for at, rate in enumerate(RATES)
    }


def played(
    world: Path,
    folder: Path,
    shelves: Mapping[str, pa.Table],
    chances: Chances,
    visits: Visits,
    runs: int = PLAYED,
) -> dict[str, Any]:
    """Whole experiments: how far lifts lie from the truth, and what CUPED takes off their error."""
    treated = chances.treated(PLAYED_LIFT)
    arms = {"old": shelves["popular"], "new": mixed(shelves, chances.users, treated)}
    new = chances.of_arm(treated)
    truth = new.mean(axis=0) / chances.control.mean(axis=0) - 1
    end = visits.start + timedelta(days=visits.days)
    errors: list[float] = []
    held: list[bool] = []
    narrowed: list[dict[str, dict[str, float]]] = []
    for seed in track(range(runs), "Playing experiments"):
        place = folder / f"played-{seed}"
        place.mkdir()
        outcomes = Experiment(world, place, arms, visits, seed).outcomes(end)
        reading = compare_arms(outcomes, control="old", shares=dict.fromkeys(arms, 0.5))
        found = {lift.metric: lift.lift for lift in reading.lifts}
        narrowed.append(cuped(outcomes))
        for at, rate in enumerate(RATES):
            interval = found[rate]
            if interval is None:
                continue
            held.append(interval.low <= truth[at] <= interval.high)
            spread = np.log1p(interval.high) - np.log1p(interval.low)
            errors.append((np.log1p(interval.value) - np.log1p(truth[at])) / spread * 2 * 1.96)
    return {
        "experiments": runs,
        "true_lift": round(float(truth[0]), 4),
        "held": int(np.sum(held)),
        "of": len(held),
        "mean_score": round(float(np.mean(errors)), 3),
        "cuped": {
            name: {
                key: round(float(np.mean([one[name][key] for one in narrowed])), 4) for key in own
            }
            for name, own in narrowed[0].items()
        },
    }


def mixed(shelves: Mapping[str, pa.Table], users: list[str], treated: np.ndarray) -> pa.Table:
    """What the users of the treatment are shown."""
    theirs = pa.array([user for user, one in zip(users, treated, strict=True) if one], pa.string())
    personal = pc.is_in(shelves["personal"]["user_id"], theirs)
    popular = pc.invert(pc.is_in(shelves["popular"]["user_id"], theirs))
    return pa.concat_tables(
        [shelves["personal"].filter(personal), shelves["popular"].filter(popular)]
    )


def cuped(outcomes: pa.Table) -> dict[str, dict[str, float]]:
    """By mean a user: width with CUPED over that without, and sqrt(1 - rho squared)."""
    variants = np.asarray(outcomes["variant"].to_pylist())
    found = {}
    for metric in chosen_metrics():
        past = metric.covariate
        if metric.share or past is None or not {metric.numerator, past} <= {*outcomes.column_names}:
            continue
        arms = [figures_of(outcomes, variants == arm, [metric]).moments for arm in ("old", "new")]
        own, both, before = (
            sum(arm.users * arm.covariances[pair] for arm in arms)
            for pair in ((metric.numerator,) * 2, (metric.numerator, past), (past, past))
        )
        with_past = change_of(arms[1], arms[0], metric, covariate=past)
        without = change_of(arms[1], arms[0], metric)
        assert with_past is not None
        assert without is not None
        found[metric.name] = {
            "rho": both / math.sqrt(own * before),
            "width": with_past.error / without.error,
            "expected": math.sqrt(1 - both**2 / own / before),
        }
    return found
