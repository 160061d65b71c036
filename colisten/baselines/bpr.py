"""BPR (Rendle et al. 2009) of the `implicit` library, which people would use."""

from __future__ import annotations

from colisten.baselines.als import factorised
from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.ranking.top_k import Scorer


def fit_bpr(train: InteractionMatrix, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Bayesian personalised ranking, by one thread: several race, so that no fit repeats."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=64,
        learning_rate=parameters["learning_rate"],
        iterations=parameters["iterations"],
        num_threads=1,
        random_state=seed,
    )
    return factorised(model, train)


BPR = Baseline("BPR", fit_bpr, {"learning_rate": (0.01, 0.05), "iterations": (50, 200)})
