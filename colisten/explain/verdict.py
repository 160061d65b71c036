"""An explanation in a few plain sentences: what drives the model, how true it is, what moved."""

from __future__ import annotations

from math import exp
from typing import get_args

from colisten.errors import ReportError
from colisten.explain.calibration import Calibration
from colisten.explain.groups import EVERYTHING
from colisten.explain.importance import CHANGED, LOG_PROBABILITY, GroupImportance, Side
from colisten.explain.report import TASTE, TEXT, Explanation, Z
from colisten.statistics.interval import FEW_USERS, Estimate
from colisten.words import known_word

NO_WINDOW = (
    "Nobody of these users started anything for the first time after the cut, so there is "
    "nothing to measure probabilities against."
)


def verdicts(explanation: Explanation) -> list[str]:
    """Some sentences, the page's first and the terminal's only."""
    if explanation.users < FEW_USERS:
        whom = f"{explanation.users} user{'' if explanation.users == 1 else 's'}"
        sentences = [f"Only {whom} could be asked: too few to say what matters and how truly."]
    else:
        sentences = [
            drives(explanation, "user"),
            drives(explanation, "item"),
            trust(explanation),
        ]
    return [sentence for sentence in [*sentences, moved(explanation)] if sentence]


def leading_measure(explanation: Explanation) -> str:
    """What importance is ranked by: log-probability, or changed lists without a window."""
    return LOG_PROBABILITY if explanation.importance.baseline else CHANGED


def ranked(explanation: Explanation, side: Side) -> list[GroupImportance]:
    """The groups of one tower, most important first, without `everything`.

    Raises:
        ReportError: There is no such side.
    """
    known_word("Side", side, get_args(Side), ReportError)
    name = leading_measure(explanation)
    own = [
        one for one in explanation.importance.groups if one.side == side and one.group != EVERYTHING
    ]
    return sorted(own, key=lambda one: -(one.losses[name].value or 0.0))


def surely_lost(explanation: Explanation, measure: str, loss: Estimate) -> bool:
    """Whether a measure surely loses by a permutation; what the page marks and sentences say.

    Beside measures of what was started, a list that changes is no loss.
    """
    counts = measure != CHANGED or leading_measure(explanation) == CHANGED
    return counts and loss.low is not None and loss.low > 0


def drives(explanation: Explanation, side: Side) -> str:
    """Which group of a tower's inputs matters most."""
    order = ranked(explanation, side)
    if not order:
        return ""
    name = leading_measure(explanation)
    whole = explanation.importance.of(side, EVERYTHING).losses[name]
    whom = "user" if side == "user" else "item"
    sure = [one for one in order if surely_lost(explanation, name, one.losses[name])]
    if not sure:
        return _otherwise(explanation, order, whom)
    first = sure[0].losses[name]
    then = f" (then {' and '.join(one.group for one in sure[1:3])})" if sure[1:] else ""
    most = "matters most" if sure[0] is order[0] else "surely matters"
    sentence = (
        f"Of what the model reads about {whom}s, {sure[0].group} {most}{then}: taken from "
        f"another {whom}, it "
    )
    if name == CHANGED:
        sentence += (
            f"changes {_share(first)} of a list; everything taken from another {whom} "
            f"changes {_share(whole, interval=False)}."
        )
    else:
        sentence += (
            f"makes what people started {_times(first)} times less likely; everything taken "
            f"from another {whom}, {_times(whole, interval=False)} times."
        )
    if sure[0] is not order[0]:
        sentence += f" {order[0].group.capitalize()} may matter more, but not surely."
    return sentence


def _otherwise(explanation: Explanation, order: list[GroupImportance], whom: str) -> str:
    """What surely matters where nothing does by the leading measure."""
    phrases = []
    for measure in order[0].losses:
        groups = [
            one.group for one in order if surely_lost(explanation, measure, one.losses[measure])
        ]
        if groups:
            phrases.append(f"{' and '.join(groups)} by {measure}")
    nothing = f"No single input about {whom}s surely matters"
    if not phrases:
        return f"{nothing}."
    return f"{nothing} by {leading_measure(explanation)}; what surely does: {', '.join(phrases)}."


def trust(explanation: Explanation) -> str:
    """How true the probabilities are."""
    whole = explanation.calibration["all"]
    if whole is None:
        return NO_WINDOW
    if whole.users < FEW_USERS:
        started = f"{whole.users} user{'' if whole.users == 1 else 's'}"
        return f"Only {started} started anything: too few to judge probabilities."
    return f"{_error(whole)} {_confidence(whole)}"


def moved(explanation: Explanation) -> str:
    """How much of the text neighbourhoods training replaced."""
    near = explanation.neighbourhoods
    whole = near.agreement(TEXT, TASTE)
    if whole is None or whole.shared.value is None:
        return ""
    sentence = (
        f"Training moved items of type {explanation.target_type}: of the {near.k} nearest by text, "
        f"{_share(_rest(whole.shared))} are no longer among the {near.k} nearest by learned taste"
    )
    graph = near.agreement(TEXT, Z)
    if graph is not None and graph.shared.value is not None:
        sentence += (
            f"; by the co-listening graph alone {_share(_rest(graph.shared), interval=False)}"
        )
    return sentence + "."


def _error(calibration: Calibration) -> str:
    least = calibration.error_of_truth.value or 0.0
    most = calibration.error_of_truth.high or 0.0
    verdict = (
        "The probabilities are off by more than chance"
        if calibration.sure
        else "The probabilities cannot be distinguished from true ones"
    )
    return (
        f"{verdict}: the expected calibration error over {calibration.choices:,} starts is "
        f"{calibration.error:.3f}, where true probabilities would show {least:.3f} and hardly ever "
        f"more than {most:.3f}."
    )


def _confidence(calibration: Calibration) -> str:
    slope = calibration.slope
    if slope.value is None or slope.low is None or slope.high is None:
        return ""
    span = f"calibration slope {slope.value:.2f}, {slope.low:.2f} to {slope.high:.2f}"
    if slope.high < 1:
        return f"The model is too sure of itself ({span})."
    if slope.low > 1:
        return f"The model is not sure enough of itself ({span})."
    return f"It is about as sure of itself as it should be ({span})."


def _times(loss: Estimate, *, interval: bool = True) -> str:
    value = _factor(loss.value or 0.0)
    if not interval or loss.low is None or loss.high is None:
        return value
    return f"{value} ({_factor(loss.low)} to {_factor(loss.high)})"


def _factor(nats: float) -> str:
    """e^nats to three digits, in full."""
    return f"{float(f'{exp(nats):.3g}'):,.12g}"


def _share(one: Estimate, *, interval: bool = True) -> str:
    if not interval or one.low is None or one.high is None:
        return f"{one.value or 0.0:.0%}"
    return f"{one.value or 0.0:.0%} ({one.low:.0%} to {one.high:.0%})"


def _rest(shared: Estimate) -> Estimate:
    """One minus a share."""
    flipped = [
        None if one is None else 1.0 - one for one in (shared.value, shared.high, shared.low)
    ]
    return Estimate(value=flipped[0], low=flipped[1], high=flipped[2])
