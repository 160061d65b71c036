"""Scores as probabilities: the rule a release serves with, and how true it is.

A rule is learned on the window that measures a release, from everybody with a history, whether
they started anything or not. It is held against the same users by cross-fitting: a user's
probabilities come from a rule that has not seen that user. What is compared is every pair that a
shelf would show, and every pair there is; `colisten.explain.calibration` asks another question,
what a user picks who does start something.

The expected calibration error (Naeini et al. 2015) is the mean over pairs of |observed - predicted|
of the pair's bin. It is never quite zero in a finite window, so it is shown beside what a rule
would get whose probabilities are exactly true.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import Field, ValidationError

from colisten.errors import FileError, ReleaseCorrupt
from colisten.evaluation.score_rule import Activity, Pairs, ScoreRule, fit_rule
from colisten.json_files import read_model
from colisten.ranking.eligible import EligibleUsers
from colisten.ranking.ragged import Ragged
from colisten.ranking.top_k import top_k
from colisten.statistics.interval import Estimate, Part
from colisten.statistics.proportions import wilson

CALIBRATION = "score_calibration.json"
MOST_USERS = 10_000
SHOWN, EVERY_PAIR = "shown", "every pair"
"""What the reliability is of; "shown to warm" and "shown to cold" users besides."""

_MOST_PAIRS = 100_000  # of those that are not shown
_BLOCK_BYTES = 64 << 20
_FOLDS = 5
_BINS = 10
_SIMULATIONS = 200

Logits = Callable[[np.ndarray], np.ndarray]
"""Rows of users, int64 [b], to logits of all items of the recommended type, float32 [b, n]."""
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Bin(Part):
    """Pairs whose predicted probability is alike.

    Attributes:
        pairs: How many.
        predicted: Mean predicted probability.
        observed: Share of the pairs of which a start came, with an interval over users.
    """

    pairs: Count
    predicted: Probability
    observed: Estimate


class Reliability(Part):
    """How true some probabilities are.

    Attributes:
        pairs: Pairs of a user and a title.
        users: Users of these pairs.
        starts: Pairs of which a start came.
        bins: From the least to the most probable pairs.
        error: Expected calibration error.
        error_of_truth: What true probabilities would get: mean, and 95th percentile as `high`.
        log_loss: Mean negative log-likelihood of what happened, nats a pair.
        log_loss_of_rate: The same of one rate for all pairs, the one that was observed.
    """

    pairs: Count
    users: Count
    starts: Count
    bins: tuple[Bin, ...]
    error: Probability
    error_of_truth: Estimate
    log_loss: float
    log_loss_of_rate: float


class ScoreCalibration(Part):
    """A rule and how true it was; what a release carries.

    Attributes:
        cut: ISO 8601 in UTC, where the window begins that it was learned on.
        window_days: Days of that window; a probability is of a start within as many.
        k: Titles of a list that count as shown.
        users: Users that it was learned from.
        starts: First starts of theirs in the window.
        rule: Logits to probabilities; of a release, those of its own towers.
        reliability: By what it is of; without users in whom nobody is of that kind.
    """

    cut: str
    window_days: Count
    k: Annotated[int, Field(ge=1)]
    users: Count
    starts: Count
    rule: ScoreRule
    reliability: dict[str, Reliability]

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """That of a release's folder; None where it has none.

        Raises:
            ReleaseCorrupt: The file is unreadable, or holds what no calibration holds.
        """
        file = folder / CALIBRATION
        if not file.exists():
            return None
        try:
            return read_model(file, cls)
        except (OSError, FileError, ValidationError) as error:
            raise ReleaseCorrupt(f"Cannot read {file}: {error}.", "Publish it again.") from error


def calibrate(
    users: EligibleUsers,
    targets: Ragged,
    logits: Logits,
    activity: Activity,
    *,
    window_days: int,
    k: int,
    seed: int,
    confidence: float,
) -> ScoreCalibration | None:
    """Learn a rule from what users started, and hold it against users it has not seen.

    Args:
        users: U users, whether they started anything or not.
        targets: What each of them started first in the window, candidates alone.
        logits: The model's, of these users.
        activity: Of these users.
        window_days: Days of the window that there are events of.
        k: Titles of a list that count as shown.
        seed: Of drawn pairs, of folds and of the simulated windows.
        confidence: Mass of the intervals.

    Returns:
        None where there were too few starts to learn from (`score_rule.LEAST_STARTS`).
    """
    pairs = score_pairs(users, targets, logits, activity, k=k, seed=seed)
    rule = fit_rule(pairs)
    if rule is None:
        return None
    return ScoreCalibration(
        cut=users.cut.isoformat(),
        window_days=window_days,
        k=k,
        users=len(users),
        starts=int(targets.counts.sum()),
        rule=rule,
        reliability=reliabilities(pairs, _unseen(pairs, rule, len(users), seed), seed, confidence),
    )


def carried(
    calibration: ScoreCalibration, users: EligibleUsers, logits: Logits, activity: Activity
) -> ScoreCalibration:
    """The calibration for another training of its model, whose logits lie elsewhere.

    What the rule says of what the other one shows is spread as it was; whether that is
    true, only the next window can tell, so its reliability stays that of the window it has seen.

    Args:
        calibration: Of a model.
        users: Some that the other one knows.
        logits: The other model's, of these users.
        activity: Of these users.
    """
    nothing = np.zeros(0, dtype=np.int64)
    pairs = score_pairs(
        users,
        Ragged.of(nothing, nothing, len(users)),
        logits,
        activity,
        k=calibration.k,
        seed=0,
    )
    return calibration.model_copy(update={"rule": calibration.rule.carried(pairs)})


def score_pairs(
    users: EligibleUsers,
    targets: Ragged,
    logits: Logits,
    activity: Activity,
    *,
    k: int,
    seed: int,
) -> Pairs:
    """Every pair that is shown or started, and of the others so many as memory should hold.

    Each of the others stands for as many as it was drawn from. Arguments as `calibrate`.
    """
    rng = np.random.default_rng([seed, len(users)])
    share = min(1.0, _MOST_PAIRS / max(1, len(users) * users.num_candidates))
    size = max(1, _BLOCK_BYTES // (8 * max(1, len(users.available))))
    rows, logit, start_of, show = [], [], [], []
    for start in range(0, len(users), size):
        at = np.arange(start, min(start + size, len(users)))
        block = _open(users, at, logits(at))
        shown, started = _shown(block, k), np.zeros(block.shape, dtype=bool)
        own = targets.take(at)
        started[own.rows, own.values] = True
        kept = shown | started
        if share < 1.0:
            kept |= rng.random(block.shape, dtype=np.float32) < share
        else:
            kept[:] = True
        user, item = np.nonzero(kept & np.isfinite(block))
        rows.append(at[user])
        logit.append(block[user, item])
        start_of.append(started[user, item])
        show.append(shown[user, item])
    none = np.zeros(0, dtype=np.int64)
    user = np.concatenate([none, *rows])
    began, on_shelf = (np.concatenate([none, *each]).astype(bool) for each in (start_of, show))
    return Pairs(
        users=user,
        logits=np.concatenate([none, *logit]).astype(np.float64),
        activity=activity.take(user),
        started=began,
        shown=on_shelf,
        weights=np.where(began | on_shelf, 1.0, 1.0 / share),
    )


def _open(users: EligibleUsers, rows: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Logits [b, n] of users `rows` with -inf at what they may not be shown, float32."""
    block = np.array(logits, dtype=np.float32)
    block[:, ~users.available] = -np.inf
    hidden = users.exclusions.take(rows)
    block[hidden.rows, hidden.values] = -np.inf
    return block


def _shown(block: np.ndarray, k: int) -> np.ndarray:
    """Which titles are among the first k of each row, bool [b, n]."""
    shown = np.zeros(block.shape, dtype=bool)
    best, scores = top_k(block, k)
    at, place = np.nonzero(np.isfinite(scores))
    shown[at, best[at, place]] = True
    return shown


def _unseen(pairs: Pairs, rule: ScoreRule, users: int, seed: int) -> np.ndarray:
    """Probability of each pair by a rule that has not seen its user, float64 [n]."""
    fold = np.random.default_rng([seed, 1]).permutation(users) % _FOLDS
    predicted = np.zeros(len(pairs.users))
    for each in range(_FOLDS):
        held = fold[pairs.users] == each
        # Too few starts are left without this fold: its users are predicted by the whole rule.
        other = fit_rule(pairs.take(~held)) or rule
        predicted[held] = probabilities(other, pairs.take(held))
    return predicted


def probabilities(rule: ScoreRule, pairs: Pairs) -> np.ndarray:
    """What a rule says of each pair, float64 [n]."""
    return rule.probabilities(pairs.logits[:, None], pairs.activity)[:, 0]


def reliabilities(
    pairs: Pairs, predicted: np.ndarray, seed: int, confidence: float
) -> dict[str, Reliability]:
    """Predictions [n] held against what happened: on shelves, by kind of user, and everywhere."""
    shown, warm = pairs.shown, pairs.activity.warm
    parts = {
        SHOWN: shown,
        f"{SHOWN} to warm": shown & warm,
        f"{SHOWN} to cold": shown & ~warm,
        EVERY_PAIR: np.ones(len(shown), dtype=bool),
    }
    return {
        name: _reliability(pairs.take(kept), predicted[kept], seed, confidence)
        for name, kept in parts.items()
        if kept.any()
    }


def _reliability(pairs: Pairs, predicted: np.ndarray, seed: int, confidence: float) -> Reliability:
    """Bins hold equally many of the pairs that are shown, and equal probability of all pairs:
    most of these have next to no chance, and bins of equally many would tell nothing."""
    weights = pairs.weights
    even = weights if bool(pairs.shown.all()) else weights * predicted
    bin_of = _bins(predicted, even)
    count = np.bincount(bin_of, weights, _BINS)
    expected = np.bincount(bin_of, weights * predicted, _BINS)
    started = np.bincount(bin_of, weights * pairs.started, _BINS)
    filled = np.flatnonzero(count > 0)
    chance = np.clip(predicted, 1e-15, 1 - 1e-15)
    rate = float(np.clip(started.sum() / count.sum(), 1e-15, 1 - 1e-15))
    loss = np.where(pairs.started, -np.log(chance), -np.log1p(-chance))
    return Reliability(
        pairs=round(count.sum()),
        users=len(np.unique(pairs.users)),
        starts=int(pairs.started.sum()),
        bins=tuple(
            Bin(
                pairs=round(count[at]),
                predicted=float(expected[at] / count[at]),
                observed=_observed(pairs, bin_of == at, confidence),
            )
            for at in filled
        ),
        error=float(np.abs(started - expected).sum() / count.sum()),
        error_of_truth=_error_of_truth(count[filled], expected[filled], seed),
        log_loss=float(weights @ loss / weights.sum()),
        log_loss_of_rate=float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))),
    )


def _bins(predicted: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """The bin of each pair, such that bins hold equal mass; equal predictions lie together."""
    order = np.argsort(predicted, kind="stable")
    _, first, inverse = np.unique(predicted[order], return_index=True, return_inverse=True)
    reached = np.cumsum(mass[order])
    middle = (reached - mass[order] / 2)[first] / max(float(reached[-1]), 1e-300)
    bin_of = np.empty(len(predicted), dtype=np.int64)
    bin_of[order] = np.minimum((middle * _BINS).astype(np.int64), _BINS - 1)[inverse]
    return bin_of


def _observed(pairs: Pairs, kept: np.ndarray, confidence: float) -> Estimate:
    """Wilson's interval of as many pairs as would tell as much if no two were of one user."""
    weights, started = pairs.weights[kept], pairs.started[kept]
    _, user = np.unique(pairs.users[kept], return_inverse=True)
    total, share = float(weights.sum()), float(weights @ started / weights.sum())
    spread = float((np.bincount(user, weights * (started - share)) ** 2).sum()) / total**2
    alone = share * (1 - share) / total
    pairs_alike = total * min(1.0, alone / spread) if spread > 0 else total
    size = max(1, round(pairs_alike))
    return Estimate.of(share, wilson(share * size, size, confidence))


def _error_of_truth(count: np.ndarray, expected: np.ndarray, seed: int) -> Estimate:
    """The error of windows drawn from the predictions themselves."""
    rng = np.random.default_rng([seed, len(count)])
    drawn = rng.binomial(
        np.round(count).astype(np.int64),
        np.clip(expected / count, 0.0, 1.0),
        size=(_SIMULATIONS, len(count)),
    )
    errors = np.abs(drawn - expected).sum(axis=1) / count.sum()
    return Estimate(value=float(errors.mean()), high=float(np.quantile(errors, 0.95)))


def rows_among(users: EligibleUsers, others: EligibleUsers) -> np.ndarray:
    """Rows of some users among more, int64 [R]."""
    row_of = {user_id: row for row, user_id in enumerate(users.user_ids)}
    return np.array([row_of[user_id] for user_id in others.user_ids], dtype=np.int64)


def some_users(users: EligibleUsers, seed: int, most: int = MOST_USERS) -> np.ndarray:
    """Rows of at most so many users, int64 ascending, drawn by `seed`."""
    if len(users) <= most:
        return np.arange(len(users))
    return np.sort(np.random.default_rng([seed, 4]).choice(len(users), most, replace=False))
