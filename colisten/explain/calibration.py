"""Are the model's probabilities true? Predicted chances beside what was streamed.

A softmax over a user's candidates says how likely each is to be what they stream next. Every first
stream in the window is one *choice*, and each of its candidates was either started or not. Choices
are gathered in bins of predicted probability, and in each bin the mean prediction is held against
the share that was started.

Almost all pairs have next to no chance, so bins of equally many pairs would tell nothing. Here a
bin holds an equal share of all *probability*: each expects equally many streams (quantiles of the
predictions weighed by themselves).

The expected calibration error (Naeini et al. 2015, Guo et al. 2017) is sum over bins of
|started - expected| per choice. It is never quite zero in a finite window, so it is shown beside
what a model whose probabilities are exactly true would get from as many choices. The slope is
that of Cox (1958): the factor on all logits under which the choices are most likely; below one the
model is too sure of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from colisten.explain.logits import Logits, UserSample, log_softmax
from colisten.progress import track
from colisten.ranking.ragged import Ragged
from colisten.statistics.interval import Estimate, Part, normal_quantile
from colisten.statistics.proportions import wilson

BINS = 10
# Edges lie on a grid of log-probability, so that no pair needs to be stored or sorted.
_LOWEST, _CELL = -30.0, 0.01
_CELLS = int(-_LOWEST / _CELL)
_SIMULATIONS = 200
_NEWTON_STEPS = 30
_SMALL = 1e-6

Pieces = Iterator[tuple[np.ndarray, np.ndarray, Ragged]]


class Bin(Part):
    """Pairs of a choice and a candidate whose predicted probability is alike.

    Attributes:
        pairs: How many.
        expected: Streams that the predictions add up to.
        streamed: Streams there were.
        predicted: Mean predicted probability.
        observed: Share of the pairs that were streamed, with Wilson's interval.
    """

    pairs: int
    expected: float
    streamed: int
    predicted: float
    observed: Estimate


class Calibration(Part):
    """The probabilities of some users' choices.

    Attributes:
        users: Users with a choice.
        choices: First streams of candidates in the window.
        bins: From the least to the most probable pairs.
        error: Expected calibration error; 0 is perfect, 2 all in the wrong place.
        error_of_truth: What true probabilities would get: mean, and 95th percentile as `high`.
        slope: Best factor on all logits, with an interval over users; null values where no
            factor is best.
        log_probability: Mean log-probability of what was streamed, nats.
        log_probability_of_chance: The same of a draw among the candidates.
    """

    users: int
    choices: int
    bins: list[Bin]
    error: float
    error_of_truth: Estimate
    slope: Estimate
    log_probability: float
    log_probability_of_chance: float

    @property
    def sure(self) -> bool:
        """Whether true probabilities would hardly ever look this far off."""
        return self.error_of_truth.high is not None and self.error > self.error_of_truth.high


def calibration(
    sample: UserSample, logits: Logits, *, seed: int, confidence: float = 0.95, bins: int = BINS
) -> Calibration | None:
    """Hold predicted probabilities against what was streamed.

    Args:
        sample: Users and their targets; a user with several targets made several choices.
        logits: The model's, -inf where an item is no candidate.
        seed: Of the simulated windows.
        confidence: Mass of the intervals.
        bins: Bins of equal probability.

    Returns:
        None where nobody streamed anything.
    """
    asked = sample.take(np.flatnonzero(sample.targets.counts))
    if not len(asked):
        return None
    rows_of = np.flatnonzero(sample.targets.counts)
    choices = asked.targets.counts

    def pieces(label: str) -> Pieces:
        for rows in track(list(asked.blocks()), label):
            yield rows, logits(rows_of[rows]), asked.targets.take(rows)

    mass = np.zeros(_CELLS)
    own, uniform = 0.0, 0.0
    for rows, block, targets in pieces("probabilities"):
        log_p = log_softmax(block)
        open_ = np.isfinite(log_p)
        weight = np.exp(log_p) * choices[rows, None]
        mass += np.bincount(_cells(log_p[open_]), weights=weight[open_], minlength=_CELLS)
        own += float(log_p[targets.rows, targets.values].sum())
        uniform -= float((choices[rows] * np.log(open_.sum(axis=1))).sum())
    bin_of = _bin_of(mass, bins)

    pairs, streamed = np.zeros(bins), np.zeros(bins, np.int64)
    shares = np.zeros((len(asked), bins))
    for rows, block, targets in pieces("bins"):
        log_p = log_softmax(block)
        user, item = np.nonzero(np.isfinite(log_p))
        place = bin_of[_cells(log_p[user, item])]
        pairs += np.bincount(place, weights=choices[rows][user], minlength=bins)
        shares[rows] = np.bincount(
            user * bins + place, weights=np.exp(log_p[user, item]), minlength=len(rows) * bins
        ).reshape(len(rows), bins)
        hit = bin_of[_cells(log_p[targets.rows, targets.values])]
        streamed += np.bincount(hit, minlength=bins)
    shares /= shares.sum(axis=1, keepdims=True)
    expected = choices @ shares
    total = int(choices.sum())
    return Calibration(
        users=len(asked),
        choices=total,
        bins=[
            _bin(int(n), float(e), int(h), confidence)
            for n, e, h in zip(pairs, expected, streamed, strict=True)
            if n
        ],
        error=float(np.abs(streamed - expected).sum() / total),
        error_of_truth=_error_of_truth(shares, choices, seed),
        slope=_slope(pieces, len(asked), confidence),
        log_probability=own / total,
        log_probability_of_chance=uniform / total,
    )


def _cells(log_p: np.ndarray) -> np.ndarray:
    cells: np.ndarray = np.clip((log_p - _LOWEST) / _CELL, 0, _CELLS - 1).astype(np.int64)
    return cells


def _bin_of(mass: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each cell, such that bins hold equal mass as nearly as cells allow."""
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bin_of: np.ndarray = np.minimum((middle * bins).astype(np.int64), bins - 1)
    return bin_of


def _bin(pairs: int, expected: float, streamed: int, confidence: float) -> Bin:
    rate = wilson(streamed, pairs, confidence)
    return Bin(
        pairs=pairs,
        expected=expected,
        streamed=streamed,
        predicted=expected / pairs,
        observed=Estimate.of(rate.value, rate),
    )


def _error_of_truth(shares: np.ndarray, choices: np.ndarray, seed: int) -> Estimate:
    """The error of windows drawn from the predictions themselves."""
    rng = np.random.default_rng([seed, len(choices)])
    expected = choices @ shares
    errors = [
        np.abs(rng.multinomial(choices, shares).sum(axis=0) - expected).sum() / choices.sum()
        for _ in track(range(_SIMULATIONS), "windows as predicted")
    ]
    return Estimate(value=float(np.mean(errors)), high=float(np.quantile(errors, 0.95)))


def _slope(pieces: Callable[[str], Pieces], users: int, confidence: float) -> Estimate:
    """Newton's method on the log-likelihood, which is concave in the factor."""
    nothing = Estimate(value=None)
    factor, gradients, curvature = 1.0, np.zeros(users), 0.0
    for _ in range(_NEWTON_STEPS):
        curvature = 0.0
        for rows, block, targets in pieces("slope"):
            finite = np.isfinite(block)
            p = np.exp(log_softmax(np.where(finite, block * factor, -np.inf)))
            plain = np.where(finite, block, 0.0).astype(np.float64)
            mean = (p * plain).sum(axis=1)
            spread = (p * plain * plain).sum(axis=1) - mean**2
            own = np.bincount(
                targets.rows, weights=block[targets.rows, targets.values], minlength=len(rows)
            )
            gradients[rows] = own - targets.counts * mean
            curvature += float(targets.counts @ spread)
        if curvature < _SMALL:
            return nothing
        step = float(gradients.sum()) / curvature
        # Far from the top a whole step can overshoot.
        longest = max(1.0, abs(factor))
        factor += max(-longest, min(step, longest))
        if abs(step) < _SMALL:
            break
    else:
        return nothing
    # Choices of one user go together, so the error is that of sums over users (Huber's sandwich).
    error = float(np.sqrt((gradients**2).sum())) / curvature
    reach = normal_quantile(confidence) * error
    return Estimate(value=factor, low=factor - reach, high=factor + reach)
