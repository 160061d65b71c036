"""What of the reports somebody is told of: `alerts.yaml`.

Not a section of the settings: nothing here shapes a result. A rule reads one figure of a report's
JSON; docs/monitoring.md says which there are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from colisten.errors import ConfigError
from colisten.settings.section import Name, Positive, Section
from colisten.words import advice, known_word, literal_words, nearest
from colisten.yaml_files import read_yaml

Report = Literal["drift", "experiment", "gate"]
Severity = Literal["page", "ticket"]
Operator = Literal[">", ">=", "<", "<=", "==", "!=", "in", "not in"]
Days = Annotated[float, Field(gt=0, le=3660)]

REPORTS: tuple[Report, ...] = ("drift", "experiment", "gate")
SEVERITIES: tuple[Severity, ...] = ("page", "ticket")
"""The gravest first."""

STALE_AFTER_DAYS = 9.0
"""Age at which a drift report is no news: two weekly ones may each be a day late."""

# What pydantic puts into the place of a fault in a union.
_KINDS = ("bool", "float", "str", "tuple[str, ...]")
_ADVICE = "`colisten monitor rules` prints rules to start from; docs/monitoring.md has them all."


class AlertRule(Section):
    """When one figure of a report is an alert."""

    name: Name = Field(description="What the alert is called; no two rules share one.")
    report: Report = Field("drift", description="Whose figure: drift, experiment or gate.")
    figure: str = Field(
        min_length=1,
        max_length=500,
        description="Where it is in the report's JSON, with dots; * stands for each of a list.",
    )
    comparison: Operator = Field(">=", description="How figure and threshold are compared.")
    threshold: bool | float | str | tuple[str, ...] = Field(
        description="With what: a number, true or false, a text, or texts for `in`. A figure that "
        "is a list counts by its length."
    )
    severity: Severity = Field("ticket", description="page: now; ticket: on a working day.")
    runs: Positive = Field(1, description="Reports in a row for which it must hold.")
    needed: bool = Field(
        True, description="Whether a report that is not there at all is an alert as well."
    )
    then: Literal["retrain", "refresh"] | None = Field(
        None, description="Pipeline that the alert asks for; `retrain` below says how."
    )

    @field_validator("threshold", mode="before")
    @classmethod
    def _as_written(cls, given: Any) -> Any:
        # pydantic would take 1 for true, and "1" for 1.
        if isinstance(given, int) and not isinstance(given, bool):
            return float(given)
        return given

    @model_validator(mode="after")
    def _in_order(self) -> AlertRule:
        kind = type(self.threshold)
        fits = {
            "in": (tuple,),
            "not in": (tuple,),
            "==": (bool, float, str),
            "!=": (bool, float, str),
        }
        if kind not in fits.get(self.comparison, (float,)):
            raise ValueError(
                f"the rule {self.name!r} cannot compare by {self.comparison} with "
                f"{self.threshold!r}: numbers have an order, and `in` takes a list of texts"
            )
        return self


class RetrainTrigger(Section):
    """What a rule's `then` starts."""

    data: str = Field(
        min_length=1,
        description="Tables: a folder or s3://bucket/prefix; with `cluster` as its pods see them.",
    )
    window_days: Positive | None = Field(None, description="Days of a window; null: the default.")
    config: str | None = Field(None, description="Settings of the run, a YAML file; null: none.")
    cluster: str | None = Field(
        None, description="cluster.yaml where it is to run on Kubeflow; null: on this machine."
    )
    wait_hours: float = Field(
        24.0, gt=0, le=8784, description="Hours after a start in which there is no other."
    )


class AlertRules(Section):
    """A whole file of rules."""

    rules: tuple[AlertRule, ...] = Field((), max_length=500, description="Each an alert.")
    stale_after_days: dict[Report, Days] = Field(
        {},
        description="By report the age at which it is an alert by itself; drift always has one "
        f"({STALE_AFTER_DAYS:g} days if unsaid).",
    )
    retrain: RetrainTrigger | None = Field(None, description="What a rule's `then` starts.")

    @model_validator(mode="after")
    def _whole(self) -> AlertRules:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are called {twice[0]!r}")
        asking = [rule.name for rule in self.rules if rule.then is not None]
        if asking and self.retrain is None:
            raise ValueError(f"the rule {asking[0]!r} starts a pipeline, and `retrain` is missing")
        return self

    @property
    def oldest_days(self) -> dict[Report, float]:
        """By report the age at which it is an alert."""
        return {"drift": STALE_AFTER_DAYS, **self.stale_after_days}


DEFAULT_RULES = AlertRules(
    rules=(
        AlertRule(
            name="drift_of_inputs",
            figure="causes.*.cause",
            comparison="in",
            threshold=("column", "nulls", "text_vectors", "users_gone", "skew"),
            severity="page",
        ),
        AlertRule(name="drift", figure="verdict", comparison="==", threshold="moved"),
        # A window too small to judge is no quiet one.
        AlertRule(
            name="drift_unjudged", figure="verdict", comparison="==", threshold="unknown", runs=3
        ),
        AlertRule(
            name="experiment_split",
            report="experiment",
            figure="split_is_sound",
            comparison="!=",
            threshold=True,
            severity="page",
            needed=False,
        ),
        AlertRule(
            name="gate",
            report="gate",
            figure="passed",
            comparison="!=",
            threshold=True,
            needed=False,
        ),
    )
)
"""What `colisten monitor rules` prints, and what is checked where nobody names rules."""


def load_rules(file: Path | None) -> AlertRules:
    """Read a file of rules; None is `DEFAULT_RULES`.

    Raises:
        ConfigError: It cannot be read, or says what is no rule; names the rule and the key.
    """
    if file is None:
        return DEFAULT_RULES
    tree = read_yaml(file, "alert rules", _ADVICE)
    if not isinstance(tree, dict):
        raise ConfigError(f"{file} holds no rules.", _ADVICE)
    try:
        return AlertRules.model_validate(tree)
    except ValidationError as error:
        raise _refused(file, error.errors(include_input=False)[0]) from error


def severity_named(word: str) -> Severity:
    """A severity; raises ConfigError, with the nearest, where it is none."""
    return known_word("--fail-on", word, SEVERITIES)


def _refused(file: Path, fault: Any) -> ConfigError:
    """The first fault of a file of rules, in a sentence."""
    places = [str(part) for part in fault["loc"] if part not in _KINDS]
    where = ".".join(places) or "the whole"
    if fault["type"] == "value_error":
        return ConfigError(f"{file}: {fault['ctx']['error']}.", _ADVICE)
    if fault["type"] == "extra_forbidden":
        known = [*AlertRule.model_fields, *AlertRules.model_fields, *RetrainTrigger.model_fields]
        near = nearest(places[-1], known)
        return ConfigError(f"{file}: nothing reads {where}.", f"The nearest known one is {near!r}.")
    if fault["type"] == "literal_error":
        words = literal_words(fault)
        return ConfigError(f"{file}: {where} is none of its words.", advice("", words))
    return ConfigError(f"{file}: {where} does not fit: {fault['msg'].lower()}.", _ADVICE)
