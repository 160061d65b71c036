"""What a run will do and cost, said before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colisten.data import parquet
from colisten.data.forecast import Forecast
from colisten.limits import memory_bytes
from colisten.settings.baselines import BASELINE_NAMES, chosen_baselines
from colisten.settings.tree import Settings
from colisten.steps.cache import Listener, StepEvent
from colisten.steps.plan import Plan, PlannedStep, seconds_of_earlier_runs

# Rates behind the estimates, measured on two idle cores: the demo world with default settings
# (2,600 items, 136,556 events before the cut) and `benchmarks/scale.py` (375,000 and 3,750,000
# items).
_TEXTS_PER_SECOND = 105.0
_EXAMPLES_PER_SECOND = 17_000.0
_STEP_SECONDS, _STEP_SECONDS_PER_ITEM, _ITEMS_OF_A_STEP = 0.06, 4.9e-6, 80_000
_LEARNED_SHARE = 0.8  # of the most steps or passes; the rest is stopped early
_LIBRARIES_GIB, _GIB_PER_ITEM, _GIB_PER_EVENT = 1.5, 2.1e-6, 1e-6
# What each baseline takes of the time that the first seven of them took together; the others next
# to nothing. A mixture needs its model, whether that is measured or not.
_TUNING_SHARES = {
    "HGNN with users": 0.48,
    "LightGCN": 0.3,
    "SASRec": 0.22,
    "EASE": 0.12,
    "BPR": 0.06,
    "popularity + ridge": 0.05,
    "ALS": 0.04,
}
# EASE holds three square matrices of the titles.
_GIB_PER_PAIR_OF_TITLES = 3 * 8 / 2**30


@dataclass(frozen=True)
class Preflight:
    """What a run will measure, and about how long and how much memory it takes.

    Attributes:
        forecast: What lies before the cut and after it, with warnings.
        seconds: About.
        memory_gib: About, at its peak.
        basis: What both are reckoned from.
    """

    forecast: Forecast
    seconds: float
    memory_gib: float
    basis: str

    def paragraph(self) -> str:
        """All of it in words; the warnings apart."""
        coming = self.forecast
        what = (
            f"Learns from {coming.events:,} events of {coming.users:,} users before "
            f"{coming.cut:%Y-%m-%d}, {coming.share_cold:.0%} of whom have no {coming.target_type} "
            f"yet (cold), and recommends {coming.titles:,} titles of type {coming.target_type}."
        )
        cold = f" ({coming.measured_cold:,} of them cold)" if coming.measured else ""
        measures = (
            f"Measures {coming.measured:,} users{cold} on the {coming.window_days} days from the "
            f"cut on, of which {coming.days_inside} lie inside the data."
        )
        cost = (
            f"Takes about {words_of(self.seconds)} and {self.memory_gib:.1f} GiB of memory, "
            f"reckoned from {self.basis}."
        )
        return f"{what} {measures} {cost}"


def look_ahead(
    coming: Forecast, steps: Sequence[PlannedStep], settings: Settings, *, root: Path, texts: Path
) -> tuple[Preflight, Plan]:
    """What a run with these steps will do and cost.

    Args:
        coming: What it will find in the tables.
        steps: What it will come to.
        settings: Of the run.
        root: Folder of finished steps; where earlier runs left all of them, their times count.
        texts: Folder that keeps text vectors across runs.
    """
    new_texts = max(0, coming.texts - encoded_texts(texts, settings.text.encoder))
    measured, earlier = (
        expected_seconds(coming, settings, new_texts),
        seconds_of_earlier_runs(root),
    )
    # What an interrupted run left is too little to go by.
    known = {each.step for each in steps} <= earlier.keys()
    plan = Plan(steps, (earlier if known else measured).get)
    basis = "earlier runs in this folder" if known else "times on two cores with nothing else to do"
    seconds, gib = plan.total_seconds or 0.0, expected_gib(coming, settings)
    return Preflight(coming, seconds, gib, basis), plan


def tell(preflight: Preflight, notices: Sequence[str], listen: Listener) -> None:
    """Say to a listener what a run will do and cost, then what is wrong or missing.

    Args:
        preflight: See there.
        notices: What the tables lack.
        listen: Whom to tell.
    """
    listen(StepEvent("check_tables", "preflight", text=preflight.paragraph()))
    for notice in (*notices, *preflight.forecast.warnings, *_too_little(preflight.memory_gib)):
        listen(StepEvent("check_tables", "notice", text=notice))


def _too_little(needed: float, root: Path = Path("/")) -> list[str]:
    """A notice where a container has less memory than a run needs."""
    limit = memory_bytes(root)
    if limit is None or needed * 2**30 <= limit:
        return []
    return [
        f"This container may hold {limit / 2**30:.1f} GiB and the run needs about {needed:.1f}: "
        "it may be killed on the way. DuckDB spills to disk, training does not; give it more."
    ]


def words_of(seconds: float) -> str:
    """A time to wait, no more exact than it is known."""
    if seconds < 50:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    minutes = max(1, round(seconds / 60))
    if minutes >= 90:
        return f"{minutes / 60:.1f} hours"
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def expected_seconds(coming: Forecast, settings: Settings, new_texts: int) -> dict[str, float]:
    """About how long each step takes, by its name.

    Args:
        coming: What the run will find.
        settings: Of the run.
        new_texts: Texts that no earlier run has encoded.
    """
    hgnn, towers = settings.hgnn, settings.towers
    step = _STEP_SECONDS + _STEP_SECONDS_PER_ITEM * min(coming.items, _ITEMS_OF_A_STEP)
    # Choosing the number of passes is one training, the model another.
    seen = 2 * max(towers.epochs * coming.starts, towers.min_steps * towers.batch_size)
    tuned = _tuned(settings)
    tuning = (15 + 2.8e-4 * coming.events) * sum(_TUNING_SHARES.get(name, 0.02) for name in tuned)
    tuning += 1e-10 * coming.titles**3 if "EASE" in tuned else 0
    return {
        "check_tables": 0.2 + 1e-6 * coming.events,
        "embed_text": 1 + new_texts / _TEXTS_PER_SECOND,
        "build_features": 1 + 7e-6 * coming.events,
        "build_graph": 1.5 + 1.5e-5 * coming.events,
        "inspect_graph": 0.6,
        "train_hgnn": 1 + _LEARNED_SHARE * hgnn.max_steps * step,
        "build_training_rows": 0.3 + 1e-4 * coming.starts,
        "train_towers": 1 + _LEARNED_SHARE * seen / _EXAMPLES_PER_SECOND,
        # Twice: on the window before the cut without the baselines, and on that after it.
        "evaluate": 1 + tuning / 2,
        "gate": 0.0,
        "publish": 3.5,
        "recommend": 0.5 + 1e-4 * coming.users,
        "report": 4 + 3e-4 * coming.users,
        "rank": 1.0,
        "compare": 1.0,
    }


def expected_gib(coming: Forecast, settings: Settings) -> float:
    """About how much memory the whole run takes at its peak."""
    matrices = _GIB_PER_PAIR_OF_TITLES * coming.titles**2 if "EASE" in _tuned(settings) else 0
    return _LIBRARIES_GIB + _GIB_PER_ITEM * coming.items + _GIB_PER_EVENT * coming.events + matrices


def _tuned(settings: Settings) -> set[str]:
    """Names of the baselines that are fitted: those asked for, and what mixtures stand on."""
    asked = chosen_baselines(settings.evaluation.baselines)
    return {*asked, *(name.removeprefix("popularity + ") for name in asked)} & {*BASELINE_NAMES}


def encoded_texts(texts: Path, encoder: str) -> int:
    """Text vectors that earlier runs left in their cache."""
    rows = 0
    for file in (texts / encoder.replace("/", "--")).glob("*.parquet"):
        with parquet.opened(file) as opened:
            rows += opened.metadata.num_rows
    return rows
