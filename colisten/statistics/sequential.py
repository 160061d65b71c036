"""Looking at an experiment more than once: how far from zero a score must be at this look.

A score that passes 1.96 at one look is false in 5 of 100 experiments, at one of fourteen looks in
23. Two ways out:

*Group-sequential bounds* (`GroupSequential`), where the looks and the last of them are planned. The
chance of a false alarm is spent over the looks (Lan and DeMets, Biometrika 70, 1983) as a function
of the information fraction t, how much is known at a look of what will be known at the last.
Like O'Brien and Fleming's bounds each side's a is spent as 2 - 2 Phi(z_{1 - a/2} / sqrt t): next to
nothing at first, so that the last interval is hardly wider than a fixed one. Like Pocock's it is
spent as a log(1 + (e - 1) t). Bounds are found look after look by integrating over the scores that
passed none so far (Armitage, McPherson and Rowe, JRSS A 132, 1969; Jennison and Turnbull, Group
Sequential Methods, 2000, chapter 19).

*A confidence sequence* (`ConfidenceSequence`), where one may look at any time and go on for ever:
the normal mixture's of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (Annals of Statistics 52,
2024, theorem 2.2). It holds as the central limit theorem does, for all looks at once.

Both know scores by their information, one over the squared standard error. It is what two looks
have in common: scores at informations V and W > V correlate by sqrt(V / W). For the log ratio of
two shares this holds as well where users are there from the first day and convert one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, get_args

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfc, log_ndtr, ndtr, ndtri_exp

from colisten.errors import ConfigError
from colisten.words import known_word

Spending = Literal["obrien_fleming", "pocock"]

LEAST_STEP = 1e-3
"""Smallest increase of the information fraction from look to look; nearer ones are one look."""
LEAST_P = 1e-12
"""Smaller p-values of a look are told as this one."""
_FARTHEST = 37.0
"""Bounds beyond this are this one: a score passes it with a chance of 1e-299."""
_PER_ERROR = 5.0
"""Nodes of the integral in the length over which scores vary."""
_WIDEST = 12.0
"""Standard errors from zero beyond which no score is integrated over."""


class Boundary(Protocol):
    """How far from zero a score lies where it is no chance, at this look."""

    def critical(self, alpha: float, information: float) -> float:
        """Standard errors from a value to an end of its interval of mass 1 - `alpha`."""

    def p_value(self, score: float, information: float) -> float:
        """Smallest alpha whose `critical` the absolute score reaches."""


@dataclass(frozen=True)
class OneLook:
    """The normal distribution's quantiles: valid at one look, planned before it."""

    def critical(self, alpha: float, information: float) -> float:
        """Two-sided quantile."""
        return float(-_quantile(math.log(alpha / 2)))

    def p_value(self, score: float, information: float) -> float:
        """Two-sided p-value, not by a cdf, which loses what lies below 1e-16."""
        return float(erfc(abs(score) / math.sqrt(2)))


ONE_LOOK = OneLook()


@dataclass(frozen=True)
class GroupSequential:
    """The last of `fractions` is this look; p-values and intervals are the repeated ones of
    Jennison and Turnbull (JRSS B 51, 1989): all looks' together are wrong as seldom as one.

    Attributes:
        fractions: Information fractions of the looks so far and of this one.
        spending: How the chance of a false alarm is spent over them.
    """

    fractions: tuple[float, ...]
    spending: Spending = "obrien_fleming"

    def critical(self, alpha: float, information: float) -> float:
        """The bound of this look, two-sided."""
        return group_bounds(self.fractions, alpha, self.spending)[-1]

    def p_value(self, score: float, information: float) -> float:
        """The repeated p-value, at least `LEAST_P`."""

        def beyond(log_alpha: float) -> float:
            return self.critical(math.exp(log_alpha), information) - abs(score)

        low, high = math.log(LEAST_P), math.log(1 - 1e-9)
        if beyond(low) <= 0:
            return LEAST_P
        if beyond(high) >= 0:
            return 1.0
        return math.exp(brentq(beyond, low, high, xtol=1e-6))


@dataclass(frozen=True)
class ConfidenceSequence:
    """Bounds for looks at any time, without a last one.

    Attributes:
        target: Information at which intervals are narrowest: 1.55 times a fixed one's at an alpha
            of 0.05. To be said before the data are seen.
        alpha: For which they are.
    """

    target: float
    alpha: float = 0.05

    def critical(self, alpha: float, information: float) -> float:
        """Two-sided, for any alpha; narrowest at `target` for the one it is tuned for."""
        ratio = self._ratio(information)
        return math.sqrt((1 + 1 / ratio) * (math.log1p(ratio) - 2 * math.log(alpha)))

    def p_value(self, score: float, information: float) -> float:
        """The anytime-valid p-value."""
        ratio = self._ratio(information)
        return min(1.0, math.sqrt(1 + ratio) * math.exp(-(score**2) / (2 + 2 / ratio)))

    def _ratio(self, information: float) -> float:
        """Information over that of the mixture (t rho^2; rho by their equation 10)."""
        spread = -2 * math.log(min(0.5, self.alpha))
        return information / self.target * (spread + math.log(spread) + 1)


def spent(fraction: float, alpha: float, spending: Spending) -> float:
    """Chance of a false alarm, both sides together, spent by an information fraction."""
    known_word("Spending", spending, get_args(Spending))
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * fraction)
    return 4 * float(ndtr(_quantile(math.log(alpha / 4)) / math.sqrt(fraction)))


def group_bounds(
    fractions: Sequence[float], alpha: float, spending: Spending = "obrien_fleming"
) -> tuple[float, ...]:
    """Bounds of the absolute score at every look, two-sided and symmetric.

    Args:
        fractions: Information fractions of the looks, ascending by at least `LEAST_STEP`, above 0
            and at most 1. Later looks change nothing of the earlier ones' bounds.
        alpha: Chance that any of the looks passes its bound where there is no difference.
        spending: How it is spent.

    Raises:
        ConfigError: The fractions are none.
    """
    steps = np.diff([0.0, *fractions])
    if not len(steps) or not (steps >= LEAST_STEP - 1e-9).all() or fractions[-1] > 1 + 1e-9:
        raise ConfigError(
            f"The information fractions {', '.join(f'{one:g}' for one in fractions)} do not "
            f"ascend by at least {LEAST_STEP:g} to at most 1.",
            "Plan fewer looks, or say them as parts of the last one.",
        )
    known_word("Spending", spending, get_args(Spending))
    return _bounds(tuple(min(1.0, float(one)) for one in fractions), float(alpha), spending)


@lru_cache(maxsize=4096)
def _bounds(fractions: tuple[float, ...], alpha: float, spending: Spending) -> tuple[float, ...]:
    bounds: list[float] = []
    # Of scores times sqrt t, which have independent steps: nodes and their mass so far.
    at, mass, spent_before = np.zeros(1), np.ones(1), 0.0
    steps = np.sqrt(np.diff([0.0, *fractions]))
    for look, fraction in enumerate(fractions):
        spends = spent(fraction, alpha, spending)
        step, error = float(steps[look]), math.sqrt(fraction)
        bound = _bound(at, mass, step, error, spends - spent_before)
        bounds.append(bound)
        if look + 1 < len(fractions):
            finest = min(step, float(steps[look + 1]))
            nodes, weights = _nodes(min(bound, _WIDEST) * error, finest)
            mass = weights * (_density((nodes[:, None] - at) / step) @ mass) / step
            at = nodes
        spent_before = spends
    return tuple(bounds)


def _bound(at: np.ndarray, mass: np.ndarray, step: float, error: float, spends: float) -> float:
    """Score that is passed by this look, and none was before, with the chance `spends`."""

    def left(score: float) -> float:
        # Symmetric, so twice the upper tail; in logarithms, as early looks spend next to nothing.
        tails = log_ndtr((at - score * error) / step)
        most = float(tails.max())
        return most + math.log(2 * float(np.exp(tails - most) @ mass)) - math.log(spends)

    if spends <= 0 or left(_FARTHEST) >= 0:
        return _FARTHEST
    if left(0.0) <= 0:
        return 0.0
    return float(brentq(left, 0.0, _FARTHEST, xtol=1e-9))


def _nodes(reach: float, finest: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre's nodes and weights from -`reach` to `reach`."""
    wanted = 16 + 2 * reach / finest * _PER_ERROR
    # Few different counts: to find nodes costs more than to use them.
    nodes, weights = _legendre(32 * math.ceil(wanted / 32))
    return nodes * reach, weights * reach


@lru_cache(maxsize=64)
def _legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


def _density(score: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * score**2) / math.sqrt(2 * math.pi)


def _quantile(log_share: float) -> float:
    """Normal quantile of a share given by its logarithm."""
    return float(ndtri_exp(log_share))
