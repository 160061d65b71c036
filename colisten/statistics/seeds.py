"""Noise of training: what other seeds of the same model would have given.

Let V[s, u] be a measure of user u under training seed s: a mean, an effect of the user (variance
a), an effect of the seed (variance b) and what is left (variance c). The mean over U users and S
seeds then has variance a / U + b / S + c / (U S). The bootstrap over users of the seed-averaged
values holds the first and the last term. This module adds the second, model by model, as seeds of
different models have nothing in common (users do, which is why their draws are shared).

*Size.* The seeds' means m_s have sample variance s^2, whose expectation is b + c / U. The c / U is
estimated from the table of V by analysis of variance and taken off (else c would count twice, and
for models whose seeds agree on little that is most of it): b_hat = max(0, s^2 - c_hat / U).

*Shape.* A draw takes S seeds with replacement; the mean of their m_s has variance
s^2 (S - 1) / S^2 around the mean of all, not s^2 / S: the familiar sqrt(S / (S - 1)) of small
samples. Deviations are scaled by it and by sqrt(b_hat / s^2), which gives variance b_hat / S.

*Few seeds.* A variance from S seeds has S - 1 degrees of freedom; three or five resampled seeds
look surer than they are. So draws are stretched about the value by t / z, Student's quantile over
the normal's, with the degrees of freedom of the whole error by Welch (1947) and Satterthwaite
(1946): users count as infinitely many. Where seeds add nothing the factor is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from colisten.statistics.interval import normal_quantile


@dataclass(frozen=True, eq=False)
class SeedMeans:
    """Means of every measure of one model under each of its training seeds.

    Attributes:
        means: float64 [S, C].
        within: float64 [C]; c_hat / U, the part of their variance that comes from the users and
            that resampling users holds already. Zero where it is not taken off.
    """

    means: np.ndarray
    within: np.ndarray

    def __len__(self) -> int:
        return len(self.means)

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation over seeds, float64 [C]; nan for one seed."""
        if len(self) < 2:
            return np.full(self.means.shape[1], np.nan)
        return np.asarray(self.means.std(axis=0, ddof=1))

    @property
    def variance(self) -> np.ndarray:
        """b_hat / S, float64 [C]; zero for one seed."""
        if len(self) < 2:
            return np.zeros(self.means.shape[1])
        left = np.maximum(0.0, self.spread**2 - self.within)
        return np.asarray(np.nan_to_num(left) / len(self))

    def draws(self, resamples: int, rng: np.random.Generator) -> np.ndarray:
        """Deviations of resampled seeds, float64 [B, C], of variance `variance`."""
        seeds = len(self)
        if seeds < 2:
            return np.zeros((resamples, self.means.shape[1]))
        drawn = rng.integers(seeds, size=(resamples, seeds))
        counts = np.stack([(drawn == seed).sum(axis=1) for seed in range(seeds)], axis=1)
        centred = np.nan_to_num(self.means - self.means.mean(axis=0))
        raw = (centred**2).mean(axis=0) / seeds
        scale = np.sqrt(np.divide(self.variance, raw, out=np.zeros_like(raw), where=raw > 0))
        return np.asarray(counts @ centred / seeds * scale)


@dataclass(frozen=True, eq=False)
class SeedNoise:
    """Of one measure of one model.

    Attributes:
        seeds: S.
        variance: Of the mean over seeds, beyond what users explain.
        draws: float64 [B]; empty where the interval needs none.
    """

    seeds: int
    variance: float
    draws: np.ndarray


def quantile_of(users: float, noises: Sequence[SeedNoise], confidence: float) -> float:
    """Standard errors from the value to an end of its interval: normal's, or Student's.

    Args:
        users: Variance that comes from users.
        noises: What seeds add to it; nothing leaves the normal quantile.
        confidence: Mass of the interval.
    """
    freedom = degrees_of_freedom(users, noises)
    normal = normal_quantile(confidence)
    if freedom is None:
        return normal
    return max(normal, float(special.stdtrit(freedom, (1 + confidence) / 2)))


def degrees_of_freedom(users: float, noises: Sequence[SeedNoise]) -> float | None:
    """Welch and Satterthwaite's, None for infinitely many: no noise of seeds."""
    unsure = sum(noise.variance**2 / (noise.seeds - 1) for noise in noises if noise.variance > 0)
    if not unsure:
        return None
    whole = users + sum(noise.variance for noise in noises)
    return float(whole**2 / unsure)


def with_seeds(
    value: float, draws: np.ndarray, noises: Sequence[SeedNoise], confidence: float
) -> np.ndarray:
    """Draws over users [B] with the noise of seeds added and stretched about `value` for it.

    The same array where no seed adds anything.
    """
    adding = [noise for noise in noises if noise.variance > 0]
    if not adding or not len(draws):
        return draws
    reach = quantile_of(float(np.nanvar(draws)), adding, confidence)
    factor = reach / normal_quantile(confidence)
    total = draws + np.sum([noise.draws for noise in adding], axis=0)
    return np.asarray(value + factor * (total - value))
