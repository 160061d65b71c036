"""An explanation as one HTML page that needs no network."""

from __future__ import annotations

import math

from colisten.explain.calibration import Calibration
from colisten.explain.explanation import (
    NO_WINDOW,
    SLICES,
    TASTE,
    TEXT,
    Explanation,
    Z,
    leading_measure,
    ranked,
    surely_lost,
    verdicts,
)
from colisten.explain.importance import CHANGED, LOG_PROBABILITY, Side
from colisten.pages import Page
from colisten.reports.charts import (
    Plane,
    Row,
    Scale,
    ends,
)
from colisten.reports.item_map import MAP, map_scripts
from colisten.reports.reliability import reliability_plane
from colisten.reports.render import render


def to_html(explanation: Explanation) -> Page:
    """A whole page, the same bytes for the same explanation."""
    measure = leading_measure(explanation)
    sides: tuple[tuple[Side, str], ...] = (
        ("user", "About the user"),
        ("item", f"About the {explanation.target_type}"),
    )
    return render(
        "explanation",
        f"Release {explanation.release_id} explained",
        scripts=map_scripts(explanation),
        explanation=explanation,
        verdicts=verdicts(explanation),
        slices={name: explanation.calibration[name] for name in SLICES},
        no_window=NO_WINDOW,
        reliability=reliability,
        unit="nats of log-probability of what was started"
        if measure == LOG_PROBABILITY
        else "share of the list that changes",
        bars=[_bars(explanation, side, title) for side, title in sides],
        groups=[
            (title.removeprefix("About the ").capitalize(), one)
            for side, title in sides
            for one in (
                *ranked(explanation, side),
                explanation.importance.of(side, "everything"),
            )
        ],
        changed=CHANGED,
        sure=lambda measure, loss: surely_lost(explanation, measure, loss),
        spaces={
            TEXT: "by text, before training",
            Z: "by z of the graph",
            TASTE: "by learned taste",
        },
        map=MAP,
        shown=_shown,
    )


def reliability(one: Calibration) -> Plane:
    """Predicted probability and observed share of each bin."""
    return reliability_plane(
        [
            (
                each.predicted,
                each.observed,
                f"predicted {each.predicted:.3%}, observed {each.observed.value or 0:.3%}: "
                f"{each.streamed:,} started, {each.expected:,.1f} expected",
            )
            for each in one.bins
        ]
    )


def _bars(explanation: Explanation, side: Side, title: str) -> tuple[str, list[Row], Scale]:
    name = leading_measure(explanation)
    losses = [(one.group, one.losses[name]) for one in ranked(explanation, side)]
    rows = [Row(group, one, _shown(one.value, "+.3f")) for group, one in losses]
    most = 1.0 if name == CHANGED else math.inf
    return title, rows, Scale.over(ends(one for _, one in losses), most=most)


def _shown(value: float | None, digits: str = ".3f") -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:{digits}}"
