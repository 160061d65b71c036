"""The design of an experiment, written down before it begins: `experiment.yaml`.

What is decided after results were seen (which metric, which arm is the control, when to look and
to stop) makes an interval say less than it claims. A design says all of it beforehand; page and
JSON repeat it, so that whoever signs them sees what was planned.
"""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict, ValidationError, model_validator

from colisten.data.moments import parse_moment
from colisten.errors import ConfigError
from colisten.experiments.metrics import CANDIDATES, PRIMARY, Metric, chosen_metrics
from colisten.settings.section import Name, Positive, Section
from colisten.settings.shares import check_control, planned_shares
from colisten.statistics.sequential import LEAST_STEP, Spending
from colisten.words import nearest
from colisten.yaml_files import read_yaml

MOST_HOURS = 24 * 366
"""Longest attribution window: a year."""

MOST_CONFIDENCE = 0.9999
MOST_LOOKS = 100

_ADVICE = "docs/monitoring.md shows a design."


def _moment(given: Any) -> Any:
    """YAML's dates and texts as UTC moments; a moment without a zone is one of UTC."""
    if isinstance(given, date):  # and a datetime is one
        given = given.isoformat()
    if isinstance(given, str):
        try:
            return parse_moment(given, "the moment")
        except ConfigError as error:
            raise ValueError(str(error).rstrip(".")) from error
    return given


def _look(given: Any) -> Any:
    return given if isinstance(given, float | int) else _moment(given)


Moment = Annotated[datetime, Strict(), BeforeValidator(_moment)]
Look = Annotated[Annotated[float, Strict()] | Annotated[datetime, Strict()], BeforeValidator(_look)]


class ExperimentDesign(Section):
    """What is compared, by what, for how long, and how often it is looked at."""

    name: Name = Field(description="Of the experiment.")
    arms: dict[Name, float] = Field(
        min_length=1, description="By arm its planned share of users; of all together 1."
    )
    control: Name = Field(description="Arm that the others are compared with.")
    start: Moment = Field(description="Moment (UTC) from which on showings count.")
    end: Moment | None = Field(
        None, description="Moment (UTC) from which on nothing counts any more; null: open."
    )
    horizon_users: Positive | None = Field(
        None,
        description="Users with full follow-up at which the experiment is over, all arms together; "
        "null: it is over at its end.",
    )
    looks: tuple[Look, ...] = Field(
        (),
        max_length=MOST_LOOKS,
        description="When results are looked at before the end: moments between start and end, or "
        "shares of the horizon between 0 and 1. The end itself is a look and need not be named.",
    )
    spending: Spending = Field(
        "obrien_fleming",
        description="How the chance of a false alarm is spent over the looks: obrien_fleming, "
        "little at first, or pocock, more alike.",
    )
    smallest_lift: float = Field(
        0.1,
        gt=0,
        le=10,
        description="Lift that is worth seeing, 0.1 for 10 %. Without a horizon, intervals are "
        "narrowest beside fixed ones where they reach as far.",
    )
    primary: str = Field(
        PRIMARY, description=f"Metric that decides: one of {', '.join(CANDIDATES)}."
    )
    secondary: tuple[str, ...] | None = Field(
        None,
        description="What else is read for effects, in one family with the primary; null: all "
        "others of these, empty: nothing, which leaves the primary the shortest interval.",
    )
    attribution_hours: float = Field(
        72.0, gt=0, le=MOST_HOURS, description="How long after a showing a start counts for it."
    )
    confidence: float = Field(
        0.95, gt=0, le=MOST_CONFIDENCE, description="Mass of the intervals, of all together."
    )

    @model_validator(mode="after")
    def _fits(self) -> ExperimentDesign:
        try:
            check_control(self.control, planned_shares(self.arms))
            chosen_metrics(self.primary, self.secondary)
        except ConfigError as error:
            raise ValueError(str(error).rstrip(".")) from error
        if self.end is not None and self.end <= self.start:
            raise ValueError("end does not lie after start")
        if self.looks and not self.has_horizon:
            raise ValueError("looks need an end or horizon_users: what they are a part of")
        moments = [isinstance(look, datetime) for look in self.looks]
        if any(moments) and (not all(moments) or self.end is None):
            raise ValueError("looks are all moments, with an end, or all shares of the horizon")
        edges = (0.0, *self.fractions)
        if any(one >= after for one, after in pairwise(edges)):
            raise ValueError("looks do not lie in order between the start and the end")
        if any(after - one < LEAST_STEP - 1e-9 for one, after in pairwise(edges)):
            raise ValueError(f"looks lie nearer than {LEAST_STEP:g} of the horizon")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """By arm its share of users, summing to one."""
        return planned_shares(self.arms)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """In the roles that the design gives them, the primary first."""
        return chosen_metrics(self.primary, self.secondary)

    @property
    def has_horizon(self) -> bool:
        """Whether it is known beforehand when the experiment is over."""
        return self.end is not None or self.horizon_users is not None

    @property
    def fractions(self) -> tuple[float, ...]:
        """Information fractions of the planned looks, ascending, the last 1; empty without a
        horizon."""
        if not self.has_horizon:
            return ()
        planned = tuple(
            self._elapsed(look) if isinstance(look, datetime) else float(look)
            for look in self.looks
        )
        return planned if planned[-1:] == (1.0,) else (*planned, 1.0)

    def information(self, users: int, until: datetime) -> float | None:
        """Share of the planned information that there is, 0 to 1; None without a horizon.

        Args:
            users: Those with full follow-up, of all arms together.
            until: Moment of the last row that was read.
        """
        if self.horizon_users is not None:
            return min(1.0, users / self.horizon_users)
        return None if self.end is None else min(1.0, max(0.0, self._elapsed(until)))

    def _elapsed(self, moment: datetime) -> float:
        assert self.end is not None
        return (moment - self.start) / (self.end - self.start)


def read_design(file: Path) -> ExperimentDesign:
    """Read `experiment.yaml`.

    Raises:
        ConfigError: It cannot be read, is no YAML, or is no design; the message says where.
    """
    tree = read_yaml(file, "the design", _ADVICE)
    if not isinstance(tree, dict):
        raise ConfigError(f"The design {file} is no mapping of `name: value`.", _ADVICE)
    try:
        return ExperimentDesign.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"The design {file}: {_first_fault(error)}.", _ADVICE) from error


def _first_fault(error: ValidationError) -> str:
    # A misspelt name is why another is missing.
    faults = error.errors(include_input=False)
    first = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = nearest(where, tuple(ExperimentDesign.model_fields))
        return f"'{where}' is unknown, the nearest known one is '{near}'"
    said = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"].lower()
    return f"'{where}' does not fit: {said}" if where else said
