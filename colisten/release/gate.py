"""May a candidate be promoted? Judged on the window before the cut, each rule with its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from colisten.errors import GateRefused
from colisten.ranking.model_rankers import POPULARITY
from colisten.ranking.rankers import CHANCE as RANDOM
from colisten.release.backtest import MRR, Backtest, Figure
from colisten.release.floor import LEAST_USERS, against_popularity
from colisten.settings.sections import GateSettings

Rule = Callable[[bool, str], None]

BEST = 1.0
"""What no hit rate and no MRR exceeds."""


@dataclass(frozen=True)
class GateDecision:
    """The verdict.

    Attributes:
        passed: Whether the candidate may be promoted.
        reasons: Every rule in a sentence with figure and threshold, those that failed first.
        warnings: What could not be judged.
    """

    passed: bool
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "warnings": list(self.warnings),
        }

    def require(self) -> None:
        """Raise GateRefused unless it passed."""
        if not self.passed:
            raise GateRefused(
                f"The candidate is not good enough: {' '.join(self.reasons)}",
                "Look at the evaluation, or change gate.* if the limits are wrong.",
            )


def decide(
    candidate: Mapping[str, Any],
    live: Mapping[str, Any] | None,
    settings: GateSettings,
    *,
    index_recall: float | None = None,
) -> GateDecision:
    """Judge a candidate alone and against the live release.

    Coverage and lift over a random list are judged by their values. Where a random list comes so
    near to the best there is that no list could exceed the multiple asked for, as in a catalogue
    of no more than k titles, the place of the first hit (MRR) is judged in place of the hit rate,
    by its interval: few titles often mean few listeners, and chance moves both lists far.
    A fall against the live release counts only when the candidate's whole interval lies below the
    limit: the two were measured on different windows, and a small window moves a value further
    than that by chance.

    No slice of users may lie surely below a popularity list: see `colisten.release.floor`.

    Args:
        candidate: An evaluation table as JSON values (`EvaluationTable.model_dump`).
        live: That of the live release; None where there is none.
        settings: The limits.
        index_recall: Recall@10 of the index against exact search, where it is known.

    Returns:
        A decision that passes with a warning where no user could be evaluated, or where every
        list is as good as any.
    """
    failed: list[str] = []
    held: list[str] = []
    warnings: list[str] = []

    def rule(holds: bool, text: str) -> None:
        (held if holds else failed).append(text)

    table = Backtest(candidate)
    if index_recall is not None:
        rule(
            index_recall >= settings.min_index_recall,
            f"index recall@10 {index_recall:.4f} is "
            f"{_side(index_recall >= settings.min_index_recall)} {settings.min_index_recall}.",
        )
    hits = table.figure(table.subject, table.hits)
    if not table.users():
        warnings.append("No user had a target in the window before the cut: quality not judged.")
    elif hits is None:
        rule(False, f"The evaluation has no {table.hits} of {table.subject}.")
    else:
        coverage = table.figure(table.subject, "coverage")
        if coverage is None:
            rule(False, f"The evaluation has no coverage of {table.subject}.")
        else:
            enough = coverage.value >= settings.min_coverage
            rule(enough, f"coverage {coverage} is {_side(enough)} {settings.min_coverage}.")
        _against_chance(table, settings, rule, warnings)
        _against_popularity(table, settings, rule, warnings)
        _against_live(hits, live, table.hits, settings, rule, warnings)
    return GateDecision(not failed, (*failed, *held), tuple(warnings))


def _side(reached: bool) -> str:
    return "at least" if reached else "below"


def _against_chance(
    table: Backtest, settings: GateSettings, rule: Rule, warnings: list[str]
) -> None:
    """Hold the subject against a random list, by the first measure that can tell them apart."""
    lift = settings.min_lift_over_random
    before = ""
    for name in (table.hits, MRR):
        own, chance = (table.figure(model, name) for model in (table.subject, RANDOM))
        if own is None or chance is None:
            missing = table.subject if own is None else f"a {RANDOM} list"
            rule(False, f"{before}The evaluation has no {name} of {missing}.")
            return
        least = lift * chance.value
        # An MRR of one by chance: every list is the best there is, and none says anything.
        if least < BEST or (name == MRR and chance.value < BEST):
            beyond = own.value > least
            reaches = name == MRR and own.high is not None and own.high > least
            verb = "is above" if beyond else "reaches above" if reaches else "is not above"
            rule(
                beyond or reaches,
                f"{before}{name} {own} {verb} {lift:g} x a {RANDOM} list's {chance}.",
            )
            if reaches and not beyond:
                warnings.append(
                    f"{name} {own.value:.4f} is not above {least:.4f}, but its interval reaches it."
                )
            return
        before += f"No list can have {name} above {lift:g} x a {RANDOM} list's {chance}. "
    warnings.append(f"{before}Quality over chance not judged.")


def _against_popularity(
    table: Backtest, settings: GateSettings, rule: Rule, warnings: list[str]
) -> None:
    """No kind of user may surely be served worse than by popular items; see `floor`."""
    if table.subject == POPULARITY:
        return
    found = against_popularity(table)
    if not found.comparisons:
        few = table.users() < LEAST_USERS
        why = f"no slice has {LEAST_USERS} users" if few else f"the evaluation has no {POPULARITY}"
        warnings.append(f"Not judged against {POPULARITY}: {why}.")
        return
    below = found.violations()
    if not below:
        rule(True, found.summary())
    elif settings.below_popularity == "warn":
        warnings += below
    else:
        below[-1] += (
            " Popular items would serve these users better; gate.below_popularity=warn lets the "
            "release pass with a notice."
        )
        for sentence in below:
            rule(False, sentence)
    if doubts := found.doubts():
        warnings.append(doubts)


def _against_live(
    hits: Figure,
    live: Mapping[str, Any] | None,
    metric: str,
    settings: GateSettings,
    rule: Rule,
    warnings: list[str],
) -> None:
    if live is None:
        return
    rival = Backtest(live)
    own = rival.figure(rival.subject, metric)
    if own is None or not rival.users():
        warnings.append(f"The live release has no {metric} to compare with.")
        return
    least = own.value * (1.0 - settings.max_drop)
    best = hits.value if hits.high is None else hits.high
    held = best >= least
    rule(
        held,
        f"{metric} {hits} has {'not ' if held else ''}fallen by more than {settings.max_drop:.0%} "
        f"from the live release's {own} (to below {least:.4f}).",
    )
    if hits.value < least <= best:
        warnings.append(
            f"{metric} {hits.value:.4f} is below {least:.4f}, but its interval reaches it."
        )
