"""Which rules hold in the reports that lie in a folder: alerts, each with its value and since when.

What is missing, too old or unreadable is an alert as well. Silence means that somebody looked and
saw a figure on the right side of its threshold, and nothing else does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from colisten.monitoring.figures import Plain, found
from colisten.monitoring.runs import ReportRun, runs_of
from colisten.settings.alerts import REPORTS, AlertRule, AlertRules, Report, Severity

State = Literal["quiet", "pending", "firing"]

_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    "in": lambda value, threshold: value in threshold,
    "not in": lambda value, threshold: value not in threshold,
}
# A clock of another machine may be a little ahead.
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Alert:
    """What became of one rule.

    Attributes:
        name: Of the rule.
        report: Whose figure it reads.
        severity: page or ticket.
        state: quiet; pending where it has not held for enough reports in a row; firing.
        sentence: What was seen, for people.
        value: The figure, of several the first that is over the threshold; None where there is
            none.
        runs: Reports in a row for which it holds, the newest included.
        since: What the first of them is as of, ISO 8601.
        then: Pipeline that it asks for.
    """

    name: str
    report: Report
    severity: Severity
    state: State
    sentence: str
    value: Plain | None = None
    runs: int = 0
    since: str | None = None
    then: str | None = None

    @property
    def fires(self) -> bool:
        """Whether somebody is to be told."""
        return self.state == "firing"


def check_alerts(home: Path, rules: AlertRules, now: datetime) -> list[Alert]:
    """What becomes of every rule, those on age first.

    Args:
        home: Folder of a run, with its reports.
        rules: See `colisten.settings.alerts`.
        now: The moment, with its zone.
    """
    runs = {report: runs_of(home, report) for report in REPORTS}
    ages = [_age(report, runs[report], days, now) for report, days in rules.oldest_days.items()]
    return [*ages, *(judge(rule, runs[rule.report]) for rule in rules.rules)]


def judge(rule: AlertRule, runs: Sequence[ReportRun]) -> Alert:
    """What becomes of a rule.

    Args:
        rule: It.
        runs: Of its report, the newest first.
    """
    if not runs:
        state: State = "firing" if rule.needed else "quiet"
        return _alert(rule, state, f"There is no {rule.report} report.")
    holding = [_judged(rule, run) for run in runs]
    value, fault, holds = holding[0]
    if not holds:
        said = "has nothing" if value is None else f"is {_shown(value)}"
        return _alert(rule, "quiet", f"{rule.figure} {said}.", value=value)
    count = next((at for at, one in enumerate(holding) if not one[2]), len(holding))
    first = runs[count - 1].moment
    since = None if first is None else first.isoformat()
    # What cannot be seen is told at once: nobody knows how long it has been so.
    state = "firing" if fault or count >= rule.runs else "pending"
    sentence = fault or f"{rule.figure} is {_shown(value)} ({rule.comparison} {_listed(rule)})."
    return _alert(rule, state, sentence, value=value, runs=count, since=since)


def _alert(rule: AlertRule, state: State, sentence: str, **more: Any) -> Alert:
    return Alert(rule.name, rule.report, rule.severity, state, sentence, then=rule.then, **more)


def _judged(rule: AlertRule, run: ReportRun) -> tuple[Plain | None, str, bool]:
    """The figure in a run, why it cannot be seen, and whether the rule holds."""
    if run.figures is None:
        return None, f"The {rule.report} report cannot be read: {run.fault}", True
    values = found(run.figures, rule.figure)
    if values is None:
        return None, f"The {rule.report} report has no figure {rule.figure}.", True
    seen = [value for value in values if value is not None]
    if values and not seen:
        return None, f"{rule.figure} of the {rule.report} report is not defined.", True
    for value in seen:
        if not _alike(value, rule.threshold):
            kind = f"{rule.figure} is {_shown(value)}, which is not compared with {rule.threshold}."
            return value, kind, True
        if _HOLDS[rule.comparison](value, rule.threshold):
            return value, "", True
    return seen[0] if seen else None, "", False


def _alike(value: Plain, threshold: Plain | tuple[str, ...]) -> bool:
    """Whether both are numbers, both truths or both texts: Python takes true for 1."""
    return type(value) is (str if isinstance(threshold, tuple) else type(threshold))


def _age(report: Report, runs: Sequence[ReportRun], days: float, now: datetime) -> Alert:
    """Whether a report is there, can be read and is of these days."""
    moment = runs[0].moment if runs else None
    age = None if moment is None else now - moment
    if not runs:
        said = f"There is no {report} report."
    elif runs[0].figures is None:
        said = f"The {report} report cannot be read: {runs[0].fault}"
    elif age is None or moment is None:
        said = f"The {report} report does not say as of when it is."
    elif age < -_AHEAD:
        said = f"The {report} report is as of {moment:%Y-%m-%d}, which is still to come."
    elif age > timedelta(days=days):
        said = f"The {report} report is as of {moment:%Y-%m-%d}, {age.days} days ago."
    else:
        said = ""
    return Alert(
        name=f"{report}_stale",
        report=report,
        severity="ticket",
        state="firing" if said else "quiet",
        sentence=said or f"The {report} report is as of {moment:%Y-%m-%d}.",
        value=None if age is None else round(age.total_seconds() / 86_400, 3),
        runs=1 if said else 0,
        since=None if moment is None else (moment + timedelta(days=days)).isoformat(),
    )


def _shown(value: Plain | None) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _listed(rule: AlertRule) -> str:
    given = rule.threshold
    return ", ".join(given) if isinstance(given, tuple) else _shown(given)


def utc_now() -> datetime:
    """The moment."""
    return datetime.now(UTC)
