"""When to stop training the towers: what they make of the latest rows, which they have not seen."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from colisten.models.choices import Choice, Figures
from colisten.models.score_weights import KINDS, ScoreWeights
from colisten.models.towers import TwoTowers
from colisten.training.towers.checkpoint import Curve
from colisten.training.towers.held_out import HeldOut
from colisten.training.towers.score_search import ENOUGH_USERS, Parts, search
from colisten.training.towers.settings import TowersTraining

# Columns of the curve that hold a weight of the kNN term begin so.
KNN_TERM = "knn_term_"
TASTE, FLOOR, TRANSFER = "taste_share_", "floor_", "transfer_"
MEMBER, USERS, TRIED, ERROR = "member_", "users_", "tried_", "_error"
FIRST_TEXT = 4.0


def validate(
    towers: TwoTowers,
    held_out: HeldOut,
    settings: TowersTraining,
    half_life: int = 0,
) -> dict[str, float]:
    """How high held-out examples rank their item, as a release made before them would.

    Args:
        towers: The model.
        held_out: Examples.
        settings: The loss, what may be weighed, and the length of the list behind the hit rate.
        half_life: Which half-life plain popularity has.

    Returns:
        validation_mrr with its standard error validation_mrr_error, validation_hit_rate, where
        logits are learned validation_loss (softmax over the candidates at the learned temperature,
        without kNN term), the weights of a score's parts (`score_weights_of`), and what else stood
        to choose (`choices_of`).
    """
    was_training = towers.training
    towers.eval()
    knn_term = towers.user.knn_term
    names = knn_term.names if knn_term else ()
    with torch.inference_mode():
        members = held_out.logits(towers)
        loss = functional.cross_entropy(torch.stack(members).mean(dim=0), held_out.own)
        found = search(
            held_out,
            Parts(
                members=members,
                blind=towers.blind,
                knn=held_out.knn_terms(towers),
                near=knn_term.near if knn_term else (),
                transfers=knn_term.transfers if knn_term else (),
                popularity=held_out.popularity,
            ),
            knn_weights_of({}, names),
            floor=settings.towers.has_floor,
            half_life=half_life,
        )
    towers.train(was_training)
    ranks = found.ranks
    hits = (ranks * settings.k >= 1 - 1e-9).double()
    figures = {
        "validation_mrr": float(ranks.mean()),
        "validation_mrr_error": _error(ranks),
        "validation_hit_rate": float(hits.mean()),
    }
    if settings.towers.learns_logits:
        figures["validation_loss"] = float(loss)
    return figures | _weights(found.weights, names) | _tried(found.tried)


def knn_weights_of(point: Mapping[str, float], names: Sequence[str]) -> list[float]:
    """Weights of the kNN term at a point of the curve; where it has none, those to start from.

    People return to near copies of what they know: nearness in text to the history of the target
    type, which `KnnTermLayout.names` begins with, is there until held-out rows speak against it.
    """
    first = {name: FIRST_TEXT for name in names[:1] if name.endswith("_text")}
    return [point.get(f"{KNN_TERM}{name}", first.get(name, 0.0)) for name in names]


def score_weights_of(point: Mapping[str, float], towers: TwoTowers) -> ScoreWeights:
    """Weights of a score's parts at a point of the curve; taste alone where it says nothing."""
    knn_term = towers.user.knn_term
    names = knn_term.names if knn_term else ()
    knn = knn_weights_of(point, names)
    plain = ScoreWeights.plain(towers.members, towers.user.prior_dim, knn)
    if not point:
        return plain
    return ScoreWeights(
        members=tuple(point[f"{MEMBER}{number}"] for number in range(towers.members)),
        taste=tuple(point.get(f"{TASTE}{kind}", 1.0) for kind in KINDS),
        floor=tuple(
            tuple(point.get(f"{FLOOR}{kind}_{at}", 0.0) for at in range(towers.user.prior_dim))
            for kind in KINDS
        ),
        knn=tuple(knn),
        transfers=knn_term.transfers if knn_term else (),
        transfer=tuple(point.get(f"{TRANSFER}{kind}", 0.0) for kind in KINDS),
    )


def choices_of(point: Mapping[str, float]) -> tuple[Choice, ...]:
    """What stood to choose at a point of the curve, in words; nothing where it says nothing."""
    asked = [("graph", "Does the graph help?")] + [
        (kind, f"How much does taste count for {kind} users?") for kind in KINDS
    ]
    return tuple(
        choice for key, question in asked if (choice := _choice(point, key, question)) is not None
    )


def _choice(point: Mapping[str, float], key: str, question: str) -> Choice | None:
    start, users = f"{TRIED}{key}: ", int(point.get(f"{USERS}{key}", 0))
    candidates = {
        name.removeprefix(start): Figures(mrr=value, error=point[f"{name}{ERROR}"], users=users)
        for name, value in point.items()
        if name.startswith(start) and not name.endswith(ERROR)
    }
    if not candidates:
        return _unasked(question, key) if f"{USERS}{key}" in point else None
    if key == "graph":
        without = point[f"{MEMBER}0"] == 0.0
        chosen = f"with{'out' * without} the graph"
        reason = (
            "Members that do not see the graph rank better by more than a standard error, so it is "
            "left out."
            if without
            else "Leaving the graph out ranks no better by more than a standard error, so members "
            "with and without it are averaged."
        )
        return Choice(question=question, chosen=chosen, reason=reason, candidates=candidates)
    share, transfer = point[f"{TASTE}{key}"], point[f"{TRANSFER}{key}"]
    reason = (
        f"Of what {users} held-out users started next, taste ranks best at {share:.0%} beside "
        f"plain popularity{f', with the transfer term at {transfer:g}' if transfer else ''}."
    )
    if users < ENOUGH_USERS:
        reason += f" They are fewer than {ENOUGH_USERS}, so taste counts for their share at most."
    return Choice(question=question, chosen="as chosen", reason=reason, candidates=candidates)


def _unasked(question: str, kind: str) -> Choice:
    """What is said of a kind of users of which none was held out."""
    reason = f"No {kind} user was held out to ask, so plain popularity stands in for taste."
    return Choice(question=question, chosen="popularity alone", reason=reason, candidates={})


def _weights(weights: ScoreWeights, names: Sequence[str]) -> dict[str, float]:
    figures = {f"{MEMBER}{number}": share for number, share in enumerate(weights.members)}
    figures |= {f"{KNN_TERM}{name}": weights.knn[at] for at, name in enumerate(names)}
    for kind, share, floor, transfer in zip(
        KINDS, weights.taste, weights.floor, weights.transfer, strict=True
    ):
        figures[f"{TASTE}{kind}"] = share
        figures[f"{TRANSFER}{kind}"] = transfer
        figures |= {f"{FLOOR}{kind}_{at}": each for at, each in enumerate(floor)}
    return figures


def _tried(tried: Mapping[str, Mapping[str, Tensor]]) -> dict[str, float]:
    figures = {}
    for question, candidates in tried.items():
        for name, ranks in candidates.items():
            figures[f"{USERS}{question}"] = float(len(ranks))
            if len(ranks):
                figures[f"{TRIED}{question}: {name}"] = float(ranks.mean())
                figures[f"{TRIED}{question}: {name}{ERROR}"] = _error(ranks)
    return figures


def _error(ranks: Tensor) -> float:
    return float(ranks.std(correction=0)) / math.sqrt(len(ranks))


def best_epoch(curve: Curve) -> int:
    """The epoch of `best_point`."""
    return int(best_point(curve)["epoch"])


def best_point(curve: Curve) -> dict[str, float]:
    """The last epoch that ranks as well as the best, to half a standard error; empty without any.

    Half, because epochs are compared on the same rows: their ranks go together, and the error of
    a difference is about half the error of one. Held-out rows cannot tell such epochs apart, but
    they are not alike: the earlier one lists the popular, the later one knows tastes and shows
    more of the catalogue.
    """
    judged = [point for point in curve if "validation_mrr" in point]
    return max((p for p in judged if not _worse(p, judged)), key=_epoch, default={})


def epochs_behind(curve: Curve) -> int:
    """How many epochs the last has been worse than the best, as `best_point` sees it."""
    judged = [point for point in curve if "validation_mrr" in point]
    return len(judged) and int(judged[-1]["epoch"] - best_point(judged)["epoch"])


def _worse(point: dict[str, float], judged: Curve) -> bool:
    best = max(judged, key=lambda one: one["validation_mrr"])
    return point["validation_mrr"] < best["validation_mrr"] - best["validation_mrr_error"] / 2


def _epoch(point: dict[str, float]) -> float:
    return point["epoch"]
