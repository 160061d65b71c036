"""From a score to the probability that this user starts this title within the window.

A score is an inner product; what it is worth depends on the user. So the log-odds of a start are
a sum of few terms, one set of weights for cold and one for warm users:

    intercept + below * min(logit - knot, 0) + above * max(logit - knot, 0)
              + own * log(1 + events of the recommended type) + others * log(1 + other events)

with the logit of `colisten.evaluation.relative_logits`. The knot lies where a shelf ends: what is
shown was selected for its score, so above it scores tell less than below. No slope is negative, so
for one user probabilities keep the order of scores.

The next training of the same model may spread its logits four times as wide and be no surer of
anything. So its logits are first moved to where those lay that the rule was learned from: a few
quantiles of what each of them shows to such users, and the middle of all, say where (`Landmarks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from pydantic import Field, FiniteFloat

from colisten.features.users import UserBatch
from colisten.statistics.interval import Part

LEAST_STARTS = 30
"""With fewer starts there is no rule, and of a kind of user with fewer no slope of its own."""

_LEAST_SHOWN = 200  # titles, of some twenty shelves
_QUANTILES = (0.05, 0.5, 0.95)

_Slope = Annotated[FiniteFloat, Field(ge=0)]
_RIDGE = 1.0
_STEPS = 50
_SMALL = 1e-6
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class Activity:
    """What a rule reads of users.

    Attributes:
        warm: bool [B], whether they have an event of the recommended type.
        own: float64 [B], log(1 + those events), as many as the feature store keeps.
        others: float64 [B], the same of the other types.
    """

    warm: np.ndarray
    own: np.ndarray
    others: np.ndarray

    @classmethod
    def of(cls, users: UserBatch, target_type: str) -> Self:
        """That of a batch of users."""
        own = users.histories[target_type].counts
        everything = np.sum([each.counts for each in users.histories.values()], axis=0)
        return cls(own > 0, np.log1p(own), np.log1p(everything - own))

    def take(self, rows: np.ndarray) -> Activity:
        """That of some users, int64 [R]."""
        return Activity(self.warm[rows], self.own[rows], self.others[rows])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a user and a title they might be shown, and whether a start came of it.

    Attributes:
        users: int64 [n], rows among the users.
        logits: float64 [n].
        activity: Of the pair's user.
        started: bool [n].
        shown: bool [n], whether the title is among the user's first k.
        weights: float64 [n], how many pairs this one stands for.
    """

    users: np.ndarray
    logits: np.ndarray
    activity: Activity
    started: np.ndarray
    shown: np.ndarray
    weights: np.ndarray

    def take(self, kept: np.ndarray) -> Pairs:
        """Some of the pairs, bool [n]."""
        return Pairs(
            self.users[kept],
            self.logits[kept],
            self.activity.take(np.flatnonzero(kept)),
            self.started[kept],
            self.shown[kept],
            self.weights[kept],
        )


class Landmarks(Part):
    """Where the logits of a model lie for one kind of user.

    Attributes:
        points: The median of all pairs, then quantiles of shown ones (`_QUANTILES`).
    """

    points: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]

    @classmethod
    def of(cls, pairs: Pairs) -> Self | None:
        """Those of some pairs; None where they are too few, or too much alike, to say."""
        shown = pairs.logits[pairs.shown]
        if len(shown) < _LEAST_SHOWN:
            return None
        points = np.append(_median(pairs.logits, pairs.weights), np.quantile(shown, _QUANTILES))
        if (np.diff(points) < _SMALL).any():
            return None
        return cls(points=tuple(points.tolist()))

    def moved(self, logits: np.ndarray, to: Landmarks) -> np.ndarray:
        """Logits by these landmarks as they would be by others, in their order: float64."""
        own, other = np.array(self.points), np.array(to.points)
        below, *_, above = np.diff(other) / np.diff(own)
        out = np.interp(logits, own, other)
        out += below * np.minimum(logits - own[0], 0) + above * np.maximum(logits - own[-1], 0)
        return np.asarray(out)


class KindRule(Part):
    """The weights for one kind of user; see this module.

    Attributes:
        learned: Landmarks of the model that it was learned from.
        served: Those of the model whose logits it is given; None: the same.
    """

    intercept: FiniteFloat
    knot: FiniteFloat
    below: _Slope
    above: _Slope
    own: FiniteFloat
    others: FiniteFloat
    learned: Landmarks | None = None
    served: Landmarks | None = None

    def odds(self, logits: np.ndarray, users: Activity) -> np.ndarray:
        """Log-odds of starts [B, k], for logits [B, k] of B users of this kind."""
        logits = logits.astype(np.float64)
        if self.learned is not None and self.served is not None:
            logits = self.served.moved(logits, self.learned)
        beyond = logits - self.knot
        level = self.intercept + self.own * users.own + self.others * users.others
        slopes = self.below * np.minimum(beyond, 0) + self.above * np.maximum(beyond, 0)
        return np.asarray(level[:, None] + slopes)


class ScoreRule(Part):
    """The weights for both kinds."""

    cold: KindRule
    warm: KindRule

    def probabilities(self, logits: np.ndarray, users: Activity) -> np.ndarray:
        """Of starts within the window, float64 [B, k], for logits [B, k] of B users."""
        odds = np.empty(logits.shape)
        for rule, kind in ((self.cold, ~users.warm), (self.warm, users.warm)):
            if kind.any():
                odds[kind] = rule.odds(logits[kind], users.take(np.flatnonzero(kind)))
        return _sigmoid(odds)

    def carried(self, pairs: Pairs) -> ScoreRule:
        """The same rule for another training of the model, some of whose pairs are these."""
        cold, warm = pairs.take(~pairs.activity.warm), pairs.take(pairs.activity.warm)
        if self.cold.learned == self.warm.learned:
            cold = warm = pairs
        return ScoreRule(
            cold=self.cold.model_copy(update={"served": Landmarks.of(cold)}),
            warm=self.warm.model_copy(update={"served": Landmarks.of(warm)}),
        )


def fit_rule(pairs: Pairs) -> ScoreRule | None:
    """The rule under which the starts are most likely; None where there are too few of them.

    What is shown counts as much as all pairs together: shelves are a small part of all pairs, and
    the part that is seen.
    """
    if int(pairs.started.sum()) < LEAST_STARTS:
        return None
    kinds = [pairs.take(pairs.activity.warm == warm) for warm in (False, True)]
    if all(int(each.started.sum()) >= LEAST_STARTS for each in kinds):
        fitted = [_fit(each, []) for each in kinds]
        return ScoreRule(cold=fitted[0][0], warm=fitted[1][0])
    # One slope for both, so that a kind of which little is known has only a level of its own.
    rule, (step,) = _fit(pairs, [pairs.activity.warm.astype(np.float64)])
    return ScoreRule(cold=rule, warm=rule.model_copy(update={"intercept": rule.intercept + step}))


def _fit(pairs: Pairs, further: list[np.ndarray]) -> tuple[KindRule, list[float]]:
    """One set of weights, and those of further columns [n]."""
    knot = _knot(pairs)
    beyond = pairs.logits - knot
    slopes = [np.minimum(beyond, 0), np.maximum(beyond, 0)]
    columns = np.stack([*slopes, pairs.activity.own, pairs.activity.others, *further], axis=1)
    shown = float(pairs.weights[pairs.shown].sum())
    balance = float(pairs.weights.sum()) / shown if shown else 0.0
    weights = pairs.weights * (1.0 + balance * pairs.shown)
    used = columns.std(axis=0) > _SMALL
    while True:
        found = _logistic(columns * used, pairs.started.astype(np.float64), weights)
        falling = np.flatnonzero(found[1:3] < 0)
        if not len(falling):
            break
        used[falling] = False
    names = ("intercept", "below", "above", "own", "others")
    values = dict(zip(names, found.tolist(), strict=False))
    return KindRule(knot=knot, learned=Landmarks.of(pairs), **values), found[len(names) :].tolist()


def _knot(pairs: Pairs) -> float:
    """The median over users of the lowest logit that is shown."""
    shown = pairs.take(pairs.shown)
    if not len(shown.users):
        return 0.0
    lowest = np.full(int(shown.users.max()) + 1, np.inf)
    np.minimum.at(lowest, shown.users, shown.logits)
    return float(np.median(lowest[np.isfinite(lowest)]))


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    """Of values [n] that stand for `weights` of their kind."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _logistic(columns: np.ndarray, started: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights of an intercept and of columns [n, c], by Newton's method with a trace of ridge."""
    mean, spread = columns.mean(axis=0), np.maximum(columns.std(axis=0), _TINY)
    inputs = np.column_stack([np.ones(len(columns)), (columns - mean) / spread])
    ridge = _RIDGE * np.eye(inputs.shape[1])
    ridge[0, 0] = _TINY
    weights = weights / weights.mean()

    def loss(given: np.ndarray) -> float:
        odds = inputs @ given
        likelihood = weights @ (np.logaddexp(0.0, odds) - started * odds)
        return float(likelihood + given @ ridge @ given / 2)

    share = float(weights @ started / weights.sum())
    found = np.zeros(inputs.shape[1])
    found[0] = np.log(share / (1.0 - share)) if share < 1.0 else -np.log(_TINY)
    best = loss(found)
    for _ in range(_STEPS):
        chance = _sigmoid(inputs @ found)
        gradient = inputs.T @ (weights * (started - chance)) - ridge @ found
        bend = (inputs * (weights * chance * (1.0 - chance))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(bend, gradient)
        # Far from the top a whole step can overshoot.
        while (now := loss(found + step)) > best and np.abs(step).max() > _SMALL:
            step /= 2
        if now > best:
            break
        found, best = found + step, now
        if np.abs(step).max() < _SMALL:
            break
    slopes = found[1:] / spread
    return np.append(found[0] - slopes @ mean, slopes)


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -500.0, 500.0))))
