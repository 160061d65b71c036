"""Every figure of an experiment, as data: page, JSON and terminal are made of this one list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from colisten.errors import ConfigError
from colisten.statistics.interval import Interval
from colisten.words import known_word

Role = Literal["primary", "secondary", "guardrail"]
Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Metric:
    """One figure.

    Attributes:
        name: As JSON and designs call it.
        title: As people read it.
        numerator: Column of the outcomes that is counted or summed.
        denominator: Column that its sum is divided by; None divides by users.
        share: Whether only whether there is any counts, not how much: a share of users.
        window: Which moments count, in words.
        unit: What a value says, in words.
        direction: Where it should move.
        role: primary: what the experiment is decided by; secondary: what else is read for effects;
            guardrail: what must not get worse.
        covariate: Column with the same of before the first showing; None where there is no such.
    """

    name: str
    title: str
    numerator: str
    window: str
    unit: str
    direction: Direction
    role: Role
    denominator: str | None = None
    share: bool = False
    covariate: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the outcomes without which it cannot be told."""
        return tuple(filter(None, (self.numerator, self.denominator)))

    @property
    def in_percent(self) -> bool:
        """Whether values are shares."""
        return self.share or self.denominator is not None

    def said(self, value: float, *, sign: bool = False) -> str:
        """A value as people read it, or a difference with its sign."""
        plus = "+" if sign else ""
        return f"{value:{plus}.2%}" if self.in_percent else f"{value:{plus}.4g}"

    def interval_said(self, value: Interval | None) -> str:
        """A value with the ends of its interval."""
        if value is None:
            return "not defined"
        return f"{self.said(value.value)} ({self.said(value.low)} to {self.said(value.high)})"


_ATTRIBUTED = "within the attribution window of a showing"
_SINCE = "from the first showing on, shown or not"

METRICS = (
    Metric(
        "new_start_rate",
        "New-start rate",
        "new_starts",
        _ATTRIBUTED,
        "share of exposed users with an item's first start ever",
        "up",
        "primary",
        share=True,
        covariate="new_starts_before",
    ),
    Metric(
        "stream_rate",
        "Start rate",
        "streams",
        _ATTRIBUTED,
        "share of exposed users with a start of what they were shown",
        "up",
        "secondary",
        share=True,
        covariate="starts_before",
    ),
    Metric(
        "new_starts_per_user",
        "New starts per user",
        "all_new_starts",
        _SINCE,
        "items started for the first time, per exposed user",
        "up",
        "secondary",
        covariate="new_starts_before",
    ),
    Metric(
        "hours_per_user",
        "Hours per user",
        "hours",
        _SINCE,
        "hours of the type shown, per exposed user",
        "up",
        "secondary",
        covariate="hours_before",
    ),
    Metric(
        "other_starts_per_user",
        "Starts of other types per user",
        "other_starts",
        _SINCE,
        "starts of data.context_types, per exposed user",
        "up",
        "guardrail",
        covariate="other_starts_before",
    ),
    Metric(
        "fallback_share",
        "Share of fallbacks",
        "fallbacks",
        "from the first showing on",
        "share of requests answered by what is popular for want of something",
        "down",
        "guardrail",
        denominator="known_requests",
    ),
    Metric(
        "empty_share",
        "Share of empty shelves",
        "empty_shelves",
        "from the first showing on",
        "share of requests answered without a title",
        "down",
        "guardrail",
        denominator="known_requests",
    ),
)
"""The primary first, then in the order of pages."""

PRIMARY = "new_start_rate"
CANDIDATES = tuple(metric.name for metric in METRICS if metric.role != "guardrail")
"""Names that a design may call primary or secondary."""


def metric_of(name: str) -> Metric:
    """The metric of that name.

    Raises:
        ConfigError: There is none; the message names the nearest.
    """
    known = {metric.name: metric for metric in METRICS}
    return known[known_word("Metric", name, tuple(known))]


def chosen_metrics(
    primary: str = PRIMARY, secondary: Sequence[str] | None = None
) -> tuple[Metric, ...]:
    """The metrics in the roles that a design gives them, the primary first.

    Args:
        primary: Of `CANDIDATES`.
        secondary: What else is read for effects; None: all other candidates. Guardrails always are
            there.

    Raises:
        ConfigError: A name is none of `CANDIDATES`, or stands twice.
    """
    others = [name for name in CANDIDATES if name != primary] if secondary is None else secondary
    named = [known_word("Metric", name, CANDIDATES) for name in (primary, *others)]
    if len(set(named)) < len(named):
        twice = next(name for name in named if named.count(name) > 1)
        raise ConfigError(f"The metric {twice!r} is named twice.", "Name each once.")
    first = replace(metric_of(named[0]), role="primary")
    rest = [replace(metric_of(name), role="secondary") for name in named[1:]]
    return (first, *rest, *(metric for metric in METRICS if metric.role == "guardrail"))


def measured(
    metrics: Sequence[Metric], columns: Collection[str]
) -> tuple[tuple[Metric, ...], tuple[Metric, ...]]:
    """Of metrics those whose columns are there, and the others."""
    there = tuple(metric for metric in metrics if set(metric.columns) <= set(columns))
    return there, tuple(metric for metric in metrics if metric not in there)
