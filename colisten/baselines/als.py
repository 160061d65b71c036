"""ALS (Hu et al. 2008) of the `implicit` library, which people would use."""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.ranking.top_k import Scorer


def fit_als(train: InteractionMatrix, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Implicit-feedback matrix factorisation by alternating least squares."""
    from implicit.cpu.als import AlternatingLeastSquares

    # The library runs its own threads over users; BLAS threads below them only get in the way.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=parameters["factors"],
            alpha=parameters["alpha"],
            regularization=0.01,
            num_threads=threads,
            random_state=seed,
        )
        return factorised(model, train)


def factorised(model: Any, train: InteractionMatrix) -> Scorer:
    """Fit a model of `implicit`; a score is the inner product of its factors."""
    model.fit(train.matrix, show_progress=False)
    users = np.asarray(model.user_factors, np.float32)
    items = np.asarray(model.item_factors, np.float32)[train.target]
    return lambda rows: users[rows] @ items.T


ALS = Baseline("ALS", fit_als, {"factors": (64, 128), "alpha": (1.0, 10.0, 40.0)})
