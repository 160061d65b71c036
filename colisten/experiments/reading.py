"""The reading of an experiment: its figures, and in sentences whether they can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from colisten.experiments.days import DayLift
from colisten.experiments.design import ExperimentDesign
from colisten.experiments.guardrails import Guardrail
from colisten.experiments.lifts import Lift, method_of
from colisten.experiments.log_rows import LogRows
from colisten.experiments.looks import UNPLANNED, Look
from colisten.experiments.metrics import Metric
from colisten.experiments.pre_period import Before, before_verdict
from colisten.experiments.segments import Segment
from colisten.experiments.split import SPLIT_P_VALUE, Slice, likeliest_cause
from colisten.settings.shares import listed
from colisten.statistics.interval import Interval


@dataclass(frozen=True)
class Arm:
    """One arm and what its users did.

    Attributes:
        name: As in `variant`.
        share: Planned share of users.
        users: Users who saw this arm and no other.
        followed: Those of them whom figures are of: all, but where a design leaves out users
            without full follow-up.
        values: By metric; None where it is not defined, as where nobody saw the arm.
    """

    name: str
    share: float
    users: int
    followed: int
    values: dict[str, Interval | None]


@dataclass(frozen=True)
class Comparison:
    """The whole reading of an experiment.

    Attributes:
        control: Name of the arm that the others are compared with.
        arms: Every planned arm, the control first; also one that nobody saw.
        metrics: What was measured, the primary first.
        unmeasured: Metrics for which the data lack a column.
        lifts: One per other arm and metric that is no guardrail.
        guardrails: One per other arm and guardrail.
        split_p_value: Chi-square test of users per arm against the planned shares; None where
            one arm is planned, which nothing can be split into.
        slices: The same by surface, country and day of the first showing.
        before: What users of each arm did before their first showing, against the control's.
        days: Lifts of new starts by days since the first showing.
        segments: Lifts of the primary metric by segments of the users.
        excluded: Users who saw more than one arm; they are in no arm.
        unplanned: Users per arm that was shown but not planned; they are in no arm.
        open_users: Users of an arm who are left out of its values: they were first shown something
            less than a window before the last row. None without a design, where they are in.
        confidence: Mass of the intervals.
        design: What was decided beforehand, where it was written down.
        rows: What the rows of the files look like; None where outcomes were not read from files.
        look: Which look at the experiment this is; lifts, days and segments are of its bounds.
    """

    control: str
    arms: tuple[Arm, ...]
    metrics: tuple[Metric, ...]
    unmeasured: tuple[Metric, ...]
    lifts: tuple[Lift, ...]
    guardrails: tuple[Guardrail, ...]
    split_p_value: float | None
    slices: tuple[Slice, ...]
    before: tuple[Before, ...]
    days: tuple[DayLift, ...]
    segments: tuple[Segment, ...]
    excluded: int
    unplanned: dict[str, int]
    open_users: int | None
    confidence: float
    design: ExperimentDesign | None = None
    rows: LogRows | None = None
    look: Look = UNPLANNED

    @property
    def primary(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]

    @property
    def is_sound(self) -> bool:
        """Whether no check of health failed: neither the split nor what was before."""
        return self.split_is_sound and self.before_is_sound

    @property
    def before_is_sound(self) -> bool:
        """Whether arms can have been alike before the first showing, as far as it was looked at."""
        return all(one.is_sound for one in self.before)

    @property
    def before_verdict(self) -> str:
        """That in one sentence."""
        return before_verdict(self.before, self.metrics)

    @property
    def health(self) -> tuple[str, ...]:
        """Sentences on the checks that failed, the likeliest cause with them; empty for none."""
        said = []
        if self.split_cause is not None:
            said.append(f"{self.split_verdict} {self.split_cause}")
        if not self.before_is_sound:
            said.append(self.before_verdict)
        return tuple(said)

    @property
    def empty_arms(self) -> tuple[str, ...]:
        """Planned arms that nobody saw."""
        return tuple(arm.name for arm in self.arms if not arm.users)

    @property
    def split_is_sound(self) -> bool:
        """Whether the users per arm can be a draw of the planned shares.

        They cannot below `SPLIT_P_VALUE`, as a whole or in a slice, or where nobody saw a planned
        arm: the assignment or the logging is broken (sample ratio mismatch).
        """
        unlikely = self.split_p_value is not None and self.split_p_value < SPLIT_P_VALUE
        return not unlikely and not self.empty_arms and not self.broken_slices

    @property
    def broken_slices(self) -> tuple[Slice, ...]:
        """Those in which users are no draw of the plan."""
        return tuple(one for one in self.slices if not one.is_sound)

    @property
    def split_cause(self) -> str | None:
        """The likeliest cause of a broken split, in a sentence; None where it is sound."""
        if self.split_is_sound:
            return None
        users = {arm.name: arm.users for arm in self.arms}
        plan = {arm.name: arm.share for arm in self.arms}
        return likeliest_cause(self.slices, users, plan, self.excluded)

    @property
    def split_verdict(self) -> str:
        """The split in one sentence."""
        if self.split_p_value is None:
            return "One arm only: there is no split to check."
        p = "p < 0.001" if self.split_p_value < 1e-3 else f"p = {self.split_p_value:.3f}"
        if self.split_is_sound:
            return f"The split matches the plan ({p})."
        missed = f"; nobody saw {listed(self.empty_arms)}" if self.empty_arms else ""
        if self.broken_slices and self.split_p_value >= SPLIT_P_VALUE:
            one = min(self.broken_slices, key=lambda found: found.p_value)
            missed += f" as a whole, but not in the {one.by} {listed([one.value])}"
        return f"Sample ratio mismatch: do not trust these figures ({p}{missed})."

    def planned_users(self, arm: Arm) -> float:
        """Users that the plan gives an arm, of all who are in one."""
        return arm.share * sum(one.users for one in self.arms)

    @property
    def method(self) -> str:
        """How several lifts are read together, in words; empty where there is none."""
        return method_of(self.lifts, self.confidence)

    @property
    def guarded(self) -> tuple[str, ...]:
        """Sentences on the guardrails: each that got worse, else what was looked at."""
        known = {metric.name: metric for metric in self.metrics}
        worse = [one for one in self.guardrails if one.worse]
        said = []
        for one in worse:
            metric = known[one.metric]
            assert one.difference is not None
            moved = metric.said(one.difference.value, sign=True)
            said.append(
                f"Guardrail: {metric.title.lower()} of {listed([one.arm])} got worse ({moved})."
            )
        told = [one for one in self.guardrails if one.difference is not None]
        if told and not worse:
            names = ", ".join(dict.fromkeys(known[one.metric].title.lower() for one in told))
            said.append(f"Guardrails: nothing surely got worse ({names}).")
        return tuple(said)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sentences on what is in no figure."""
        sentences = []
        if self.excluded:
            sentences.append(f"Left out: {users_said(self.excluded)} of several arms.")
        for arm, count in self.unplanned.items():
            sentences.append(
                f"Left out: {users_said(count)} of the arm {listed([arm])}, which is not planned."
            )
        if self.open_users:
            sentences.append(
                f"Left out: {users_said(self.open_users)} without full follow-up, first shown "
                "something less than the attribution window before the last row."
            )
        return tuple(sentences)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what the figures do not say."""
        sentences = []
        if self.rows is not None and self.rows.open_users and self.open_users is None:
            sentences.append("Users without full follow-up are in the figures, which may yet grow.")
        if self.unmeasured:
            missing = ", ".join(metric.title.lower() for metric in self.unmeasured)
            sentences.append(f"Not measured, since the data lack the columns: {missing}.")
        return tuple(sentences)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None where a figure is not defined."""
        return asdict(self) | {
            "design": None if self.design is None else self.design.model_dump(mode="json"),
            "is_sound": self.is_sound,
            "split_is_sound": self.split_is_sound,
            "split_verdict": self.split_verdict,
            "split_cause": self.split_cause,
            "before_is_sound": self.before_is_sound,
            "before_verdict": self.before_verdict,
            "planned_users": {arm.name: self.planned_users(arm) for arm in self.arms},
            "method": self.method,
            "look": asdict(self.look)
            | {"is_due": self.look.is_due, "is_last": self.look.is_last, "said": self.look.said},
        }


def users_said(count: int) -> str:
    """So many users, in words."""
    return f"{count:,} user{'' if count == 1 else 's'}"
