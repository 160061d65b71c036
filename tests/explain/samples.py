"""Questions with known answers."""

from __future__ import annotations

import numpy as np

from colisten.explain.logits import Logits, UserSample, log_softmax
from colisten.ranking.ragged import Ragged


def drawn_sample(
    logits: np.ndarray, *, seed: int = 0, available: np.ndarray | None = None
) -> UserSample:
    """Every user streams one item, drawn from the softmax of their logits [U, n]."""
    users, items = logits.shape
    rng = np.random.default_rng(seed)
    open_ = np.ones(items, dtype=bool) if available is None else available
    chances = np.exp(log_softmax(np.where(open_, logits, -np.inf)))
    chosen = (chances.cumsum(axis=1) < rng.random((users, 1))).sum(axis=1)
    return UserSample(
        user_ids=np.array([f"u{at}" for at in range(users)], dtype=object),
        warm=np.ones(users, dtype=bool),
        exclusions=Ragged.empty(users),
        available=open_,
        targets=Ragged.of(np.arange(users), chosen, users),
    )


def answering(sample: UserSample, logits: np.ndarray) -> Logits:
    """A model that gives these logits."""
    return lambda rows: sample.masked(logits[rows], rows)
