"""What the model's answers hang on: permutation importance of groups of inputs.

A group of columns is taken from another user (or item) drawn at random, everything else stays, and
the answers are measured again (Breiman 2001; model-agnostic as in Fisher et al. 2019). What is
lost is what the model got from that group *beyond what the other groups also tell it*: where text
and z know the same, each alone seems to matter little. Values stay real ones, but their
combinations may be ones that no user has.

Columns of one group carry one kind of knowledge and are only ever permuted together; a flag that
says whether something is missing goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from colisten.errors import ReportError
from colisten.evaluation.metrics import hit_matrix, user_metrics
from colisten.explain.logits import ServedTowers, UserSample, log_softmax
from colisten.features.transform import UserFeatureSpec
from colisten.models.items import ItemFeatureSpec
from colisten.progress import track
from colisten.ranking.ragged import Ragged
from colisten.ranking.top_k import top_k
from colisten.statistics.bootstrap import bootstrap_means, mean_interval
from colisten.statistics.interval import Estimate, Part
from colisten.words import known_word

Side = Literal["user", "item"]
LOG_PROBABILITY = "log-probability"
CHANGED = "list changed"
EVERYTHING = "everything"
_OTHER = "other"

Groups = dict[str, np.ndarray]
"""Name to columns, int64."""


@dataclass(frozen=True)
class Measuring:
    """How answers are measured.

    Attributes:
        k: Cut-off of the hit rate and length of the compared lists.
        depth: Longest rank that MRR looks at.
        repeats: Permutations of each group.
        resamples: Bootstrap draws.
        confidence: Mass of the intervals.
        seed: Equal seeds give equal permutations and draws.
    """

    k: int = 10
    depth: int = 100
    repeats: int = 5
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0


class GroupImportance(Part):
    """What one group of inputs is good for.

    Attributes:
        side: Whose input, the user tower's or the item tower's.
        group: Name; `everything` permutes the whole input.
        columns: How many columns it has.
        losses: By measure, what its permutation costs (higher means it matters more): HR@k, MRR
            and mean log-probability of what was streamed (nats), where there is a window to
            measure on; and the share of the first k items that are others.
    """

    side: Side
    group: str
    columns: int
    losses: dict[str, Estimate]


class Importance(Part):
    """Groups of both towers.

    Attributes:
        users: Users who were asked.
        repeats: Permutations of each group.
        baseline: By measure, what the untouched model reaches; empty without a window.
        groups: Those of the user tower, then those of the item tower.
    """

    users: int
    repeats: int
    baseline: dict[str, float]
    groups: list[GroupImportance]

    def of(self, side: Side, group: str) -> GroupImportance:
        """One group; raises ReportError where there is none of that name."""
        known = {(one.side, one.group): one for one in self.groups}
        return known[known_word("Group of inputs", (side, group), list(known), ReportError)]


def importance(
    towers: ServedTowers,
    sample: UserSample,
    user_features: np.ndarray,
    item_features: np.ndarray,
    how: Measuring | None = None,
) -> Importance:
    """Permute every group of inputs and see what the answers lose.

    Item inputs are permuted among the candidates at the cut. Intervals resample users and
    permutations both.

    Args:
        towers: The model.
        sample: U users, and what they streamed if anything is to be lost.
        user_features: float32 [U, user width].
        item_features: float32 [n_target, item width].
        how: Measures, repeats and intervals.
    """
    how = how or Measuring()
    names = _measures(sample, how.k)
    users, items = towers.users(user_features), towers.items(item_features)
    before, lists = _answers(towers, sample, users, items, how)
    open_items = np.flatnonzero(sample.available)
    rows: list[tuple[Side, str, int]] = []
    jobs: list[tuple[int, Side, np.ndarray]] = []
    for side, groups in (
        ("user", user_groups(towers.user_spec, towers.item_spec.blocks)),
        ("item", item_groups(towers.item_spec)),
    ):
        for name, columns in groups.items():
            jobs += [(len(rows), side, columns)] * how.repeats  # type: ignore[list-item]
            rows.append((side, name, len(columns)))  # type: ignore[arg-type]
    losses = np.zeros((how.repeats, len(sample), len(rows), len(names)))
    for at, (row, side, columns) in enumerate(track(jobs, "permuting inputs")):
        rng = np.random.default_rng([how.seed, at])
        if side == "user":
            order = rng.permutation(len(user_features))
            changed = user_features.copy()
            changed[:, columns] = user_features[np.ix_(order, columns)]
            after, others = _answers(towers, sample, towers.users(changed), items, how)
        else:
            changed = item_features.copy()
            changed[np.ix_(open_items, columns)] = item_features[
                np.ix_(rng.permutation(open_items), columns)
            ]
            after, others = _answers(towers, sample, users, towers.items(changed), how)
        repeat = at % how.repeats
        losses[repeat, :, row, :-1] = before - after
        losses[repeat, :, row, -1] = _share_changed(lists, others)
    intervals = _intervals(losses, how)
    return Importance(
        users=len(sample),
        repeats=how.repeats,
        baseline=dict(zip(names[:-1], before.mean(axis=0).tolist(), strict=True)),
        groups=[
            GroupImportance(
                side=side,
                group=name,
                columns=columns,
                losses=dict(zip(names, intervals[row], strict=True)),
            )
            for row, (side, name, columns) in enumerate(rows)
        ],
    )


def _measures(sample: UserSample, k: int) -> list[str]:
    return [f"HR@{k}", "MRR", LOG_PROBABILITY, CHANGED] if sample.answered else [CHANGED]


def _answers(
    towers: ServedTowers, sample: UserSample, users: np.ndarray, items: np.ndarray, how: Measuring
) -> tuple[np.ndarray, np.ndarray]:
    """Measures float64 [U, 3] ([U, 0] without a window) and lists int32 [U, k]."""
    values = np.zeros((len(sample), 3 if sample.answered else 0))
    lists = np.full((len(sample), how.k), -1, dtype=np.int32)
    for rows in sample.blocks():
        logits = sample.masked(towers.logits(users[rows], items), rows)
        top, _ = top_k(logits, max(how.k, how.depth) if sample.answered else how.k)
        lists[rows] = top[:, : how.k]
        if sample.answered:
            targets = sample.targets.take(rows)
            counts = np.maximum(targets.counts, 1)
            ranked = user_metrics(hit_matrix(top[:, : how.depth], targets), counts, how.k)
            values[rows, :2] = ranked[:, :2]
            own = log_softmax(logits)[targets.rows, targets.values]
            values[rows, 2] = np.bincount(targets.rows, own, minlength=len(rows)) / counts
    return values, lists


def _share_changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Share of each list [U, k] that is not in the other, float64 [U]; of an empty list nothing."""
    shown = before >= 0
    shared = hit_matrix(
        after, Ragged.of(np.nonzero(shown)[0], before[shown].astype(np.int64), len(before))
    )
    sizes = shown.sum(axis=1)
    share: np.ndarray = (sizes - shared.sum(axis=1)) / np.maximum(sizes, 1)
    return share


def _intervals(losses: np.ndarray, how: Measuring) -> Sequence[list[Estimate]]:
    """Means of losses [R, U, groups, measures] with percentile intervals over users and repeats.

    Repeats are resampled with the users (the pigeonhole bootstrap of Owen 2007): a permutation of
    items is the same for all users, so more users would not make up for an odd one.
    """
    repeats, users, groups, measures = losses.shape
    flat = losses.transpose(1, 0, 2, 3).reshape(users, -1)
    means = bootstrap_means(flat, resamples=how.resamples, seed=how.seed)
    means = means.reshape(how.resamples, repeats, groups * measures)
    rng = np.random.default_rng([how.seed, repeats])
    weights = rng.multinomial(repeats, np.full(repeats, 1 / repeats), size=how.resamples) / repeats
    drawn = np.einsum("br,brc->bc", weights, means).reshape(-1, groups, measures)
    values = losses.mean(axis=(0, 1))
    out = []
    for group in range(groups):
        row = []
        for at in range(measures):
            value = float(values[group, at])
            means = drawn[:, group, at]
            interval = mean_interval(value, means, users=users, confidence=how.confidence)
            row.append(Estimate.of(value, interval))
        out.append(row)
    return out


def user_groups(spec: UserFeatureSpec, blocks: Mapping[str, int]) -> Groups:
    """Groups of the user tower's columns.

    Args:
        spec: Its columns.
        blocks: Length of each block of the history vectors, in order (`ItemFeatureSpec.blocks`).

    Returns:
        Every column in one group, then all of them as `everything`.
    """
    block_of = [name for name, dim in blocks.items() for _ in range(dim)]
    group_of: dict[str, str] = {"age": "age", "age_missing": "age"}
    for country in (*spec.countries, "other"):
        group_of[f"country_{country}"] = "country"
    for part in (*range(spec.music_dim), "missing"):
        group_of[f"music_{part}"] = "music taste"
    for item_type in spec.types:
        for at in range(spec.vector_dim):
            block = block_of[at] if at < len(block_of) else "vectors"
            group_of[f"{item_type}_mean_{at}"] = f"{block} of {item_type} history"
        group_of[f"{item_type}_log_count"] = f"counts of {item_type} history"
        group_of[f"{item_type}_any"] = f"counts of {item_type} history"
    return _grouped([group_of.get(name, _OTHER) for name in spec.names()])


def item_groups(spec: ItemFeatureSpec) -> Groups:
    """Groups of the item tower's columns; every column in one, then all as `everything`."""
    names = ["language"] * (len(spec.languages) + 2) + ["genres"] * (len(spec.genres) + 2)
    names += list(spec.blocks)
    names += [name for name, dim in spec.blocks.items() for _ in range(dim)]
    names += ["popularity"] * len(spec.popularity_half_lives)
    names += [_OTHER] * (spec.width - len(names))
    return _grouped(names)


def _grouped(names: list[str]) -> Groups:
    column = np.array(names, dtype=object)
    groups = {name: np.flatnonzero(column == name) for name in dict.fromkeys(names)}
    return groups | {EVERYTHING: np.arange(len(names))}
