"""Arms side by side: metrics per user with intervals, lifts against the control, and checks that
they can be compared at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from numbers import Real

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.errors import ConfigError, ReportError
from colisten.experiments.days import day_lifts
from colisten.experiments.design import MOST_CONFIDENCE, ExperimentDesign
from colisten.experiments.figures import Figures, figures_of
from colisten.experiments.guardrails import Guardrail, guardrails_of
from colisten.experiments.lifts import Lift, lifts_of
from colisten.experiments.looks import look_of
from colisten.experiments.metrics import Metric, chosen_metrics, measured
from colisten.experiments.pre_period import compare_before
from colisten.experiments.reading import Arm, Comparison, users_said
from colisten.experiments.segments import segment_lifts
from colisten.experiments.split import split_p_values, split_slices
from colisten.settings.shares import check_control, listed, planned_shares
from colisten.statistics.interval import Interval
from colisten.statistics.sequential import ONE_LOOK, Boundary

COLUMNS = ("variant", "variants", "streams", "new_starts")
"""Columns of the outcomes without which nothing can be read."""

MOST_UNPLANNED = 0.01
"""Largest share of users in arms outside the plan, a single user apart; more of them is a wrong
plan, not strays."""


def compare_arms(
    outcomes: pa.Table,
    *,
    control: str,
    shares: Mapping[str, float],
    confidence: float = 0.95,
    design: ExperimentDesign | None = None,
    until: datetime | None = None,
) -> Comparison:
    """Read an experiment from `user_outcomes`.

    Each user counts once however often they came. Shares of users have Wilson's intervals and
    their lifts Katz's (log ratio); means and ratios of means are read by `means`. Lifts are read
    alone and as a family. Users of arms that are not planned are left out and counted, as long as
    they are few; with a design so are those without full follow-up.

    Args:
        outcomes: One row per exposed user.
        control: The arm to compare with.
        shares: Planned share of users per arm, as `colisten.settings.shares` reads them.
        confidence: Mass of the intervals, above 0 and at most `MOST_CONFIDENCE`.
        design: What was decided beforehand: roles of metrics, and the window of follow-up.
        until: Moment of the last row that was read; None: the end of the design.

    Raises:
        ConfigError: The shares are no plan or leave out the control, `confidence` is out of
            its bounds, more than `MOST_UNPLANNED` of the users saw an unplanned arm, or the
            primary metric of the design is not measured.
        ReportError: Nobody saw the control, or `outcomes` lacks a column.
    """
    plan = planned_shares(shares)
    check_control(control, plan)
    confidence = _confidence(confidence)
    missing = [name for name in COLUMNS if name not in outcomes.column_names]
    if missing:
        raise ReportError(f"The outcomes lack {', '.join(missing)}.", "Make them by user_outcomes.")
    metrics, unmeasured = _metrics(outcomes, design)
    single = np.asarray(outcomes.column("variants")) == 1
    names = [control, *sorted(plan.keys() - {control})]
    rows = _members(outcomes, names, single)
    users = {name: int(members.sum()) for name, members in rows.items()}
    unplanned = _unplanned(outcomes.filter(pa.array(single)).column("variant"), plan)
    split_p_value = _split_p_value(users, plan)
    if not users[control]:
        raise ReportError(
            f"The control arm {control!r} has no users, so nothing can be compared: of "
            f"{outcomes.num_rows:,} exposed users, {sum(users.values()):,} saw another planned "
            f"arm and {int((~single).sum()):,} several arms.",
            "Look into assignment and logging.",
        )
    followed = _followed(outcomes, design)
    counted = {name: members & followed for name, members in rows.items()}
    figures = {name: figures_of(outcomes, own, metrics) for name, own in counted.items()}
    look = look_of(
        design,
        users=sum(one.users for one in figures.values()),
        until=until,
        confidence=confidence,
    )
    return Comparison(
        control=control,
        arms=tuple(
            Arm(
                name,
                plan[name],
                users[name],
                figures[name].users,
                _values(figures[name], metrics, confidence),
            )
            for name in names
        ),
        metrics=metrics,
        unmeasured=unmeasured,
        lifts=_lifts(figures, metrics, control, confidence, look.boundary),
        guardrails=_guardrails(figures, metrics, control, confidence),
        split_p_value=split_p_value,
        slices=split_slices(outcomes, rows, plan),
        before=compare_before(outcomes, rows, metrics, control=control),
        days=day_lifts(
            outcomes, counted, control=control, confidence=confidence, boundary=look.boundary
        ),
        segments=segment_lifts(
            outcomes,
            counted,
            metrics[0],
            control=control,
            confidence=confidence,
            boundary=look.boundary,
        ),
        excluded=int((~single).sum()),
        unplanned=unplanned,
        open_users=None
        if design is None
        else sum(int((own & ~followed).sum()) for own in rows.values()),
        confidence=confidence,
        design=design,
        look=look,
    )


def _metrics(
    outcomes: pa.Table, design: ExperimentDesign | None
) -> tuple[tuple[Metric, ...], tuple[Metric, ...]]:
    """Those that can be measured and those that cannot."""
    chosen = chosen_metrics() if design is None else design.metrics
    there, missing = measured(chosen, outcomes.column_names)
    if chosen[0] in missing:
        raise ConfigError(
            f"The primary metric {chosen[0].name!r} is not measured: the data lack "
            f"{', '.join(set(chosen[0].columns) - set(outcomes.column_names))}.",
            "Choose another, or bring the column that docs/tables.md names.",
        )
    return there, missing


def _members(outcomes: pa.Table, names: list[str], single: np.ndarray) -> dict[str, np.ndarray]:
    """By arm which of the users saw it and no other, bool."""
    variants = outcomes.column("variant")
    return {
        name: np.asarray(pc.equal(variants, pa.scalar(name, variants.type)).fill_null(False))
        & single
        for name in names
    }


def _followed(outcomes: pa.Table, design: ExperimentDesign | None) -> np.ndarray:
    """Which users were watched for a whole attribution window, bool; all without a design."""
    if design is None or "observed_days" not in outcomes.column_names:
        return np.ones(outcomes.num_rows, dtype=bool)
    watched = np.asarray(outcomes.column("observed_days"), dtype=np.float64)
    return np.asarray(watched * 24 >= design.attribution_hours)


def _values(
    figures: Figures, metrics: tuple[Metric, ...], confidence: float
) -> dict[str, Interval | None]:
    return {metric.name: figures.value(metric, confidence) for metric in metrics}


def _lifts(
    figures: Mapping[str, Figures],
    metrics: tuple[Metric, ...],
    control: str,
    confidence: float,
    boundary: Boundary,
) -> tuple[Lift, ...]:
    """Of every other arm and every metric that is no guardrail."""
    pairs = [
        (arm, metric)
        for arm in figures
        for metric in metrics
        if arm != control and metric.role != "guardrail"
    ]
    base, ratios, shown = figures[control], {}, {}
    for arm, metric in pairs:
        change = figures[arm].change(base, metric)
        ratio = None if change is None else change.ratio
        ratios[arm, metric.name] = ratio
        information = ratio.error**-2 if ratio is not None and ratio.error else 1.0
        bound = boundary.critical((1 - confidence) / len(pairs), information)
        # Of the test at one look whose bound is this look's; a float may not hold so small a one.
        level = ONE_LOOK.p_value(bound, information)
        shown[arm, metric.name] = figures[arm].detectable(base, metric, level) if level else None
    return lifts_of(ratios, confidence=confidence, detectable=shown, boundary=boundary)


def _guardrails(
    figures: Mapping[str, Figures], metrics: tuple[Metric, ...], control: str, confidence: float
) -> tuple[Guardrail, ...]:
    known = {metric.name: metric for metric in metrics if metric.role == "guardrail"}
    changes = {
        (arm, name): figures[arm].change(figures[control], metric)
        for arm in figures
        for name, metric in known.items()
        if arm != control
    }
    return guardrails_of(changes, known, confidence=confidence)


def _confidence(confidence: float) -> float:
    known = isinstance(confidence, Real) and not isinstance(confidence, bool)
    if not known or not 0 < confidence <= MOST_CONFIDENCE:
        raise ConfigError(
            f"The confidence {confidence!r} is not above 0 and at most {MOST_CONFIDENCE}.",
            "Say e.g. 0.95.",
        )
    return float(confidence)


def _unplanned(variants: pa.ChunkedArray, plan: Mapping[str, float]) -> dict[str, int]:
    """Users per arm outside the plan, refused where they are more than a stray few."""
    counts = {str(one["values"]): one["counts"] for one in variants.value_counts().to_pylist()}
    strays = Counter({name: count for name, count in counts.items() if name not in plan})
    if sum(strays.values()) > max(1, MOST_UNPLANNED * len(variants)):
        arms = ", ".join(
            f"{listed([name])} ({users_said(count)})" for name, count in sorted(strays.items())[:5]
        )
        raise ConfigError(
            f"Arms were shown but not planned: {arms}{', ...' if len(strays) > 5 else ''}.",
            f"Name them in the planned shares; those name {listed(plan)}.",
        )
    return dict(sorted(strays.items()))


def _split_p_value(users: Mapping[str, int], plan: Mapping[str, float]) -> float | None:
    total = sum(users.values())
    if len(users) < 2 or not total:
        return None
    seen = np.array([list(users.values())])
    return float(split_p_values(seen, np.array([plan[name] for name in users]))[0])
