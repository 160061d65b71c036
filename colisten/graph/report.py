"""What a co-listening graph looks like, and whether a model can learn from it.

The paper's observations 2 and 3 (section 3.1) are measured on the graph at hand: are items that
share listeners closer in text than random ones, also those joined only through an item of
another type? Figures of pairs come from seeded samples with bootstrap intervals, so that a graph
of a hundred million edges is read in a minute.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.sparse import bmat, csr_matrix, hstack
from scipy.sparse.csgraph import connected_components

from colisten.errors import GraphError
from colisten.graph.findings import SAMPLE_ITEMS, Finding, findings
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED, Relation, RelationName, relation_label
from colisten.progress import track
from colisten.settings.data import DataSettings
from colisten.words import known_word

SAMPLE_PAIRS, RESAMPLES = 5000, 500
HUBS = 5
BLOCK = 200


class Figures(BaseModel):
    """A frozen part of the report."""

    model_config = ConfigDict(frozen=True)


class Estimate(Figures):
    """A mean over a sample with its 95 % bootstrap interval; None where there is nothing."""

    mean: float | None
    low: float | None
    high: float | None
    sample: int


class Hub(Figures):
    """A much-linked item."""

    item: int
    title: str
    degree: int


class RelationFigures(Figures):
    """One relation; `degrees` counts nodes by degree: [0], [1], [2, 3], [4, 7] and so on."""

    source: str
    name: str
    destination: str
    edges: int
    mean_degree: float
    max_degree: int
    nodes_with_edges: int
    share_of_top_percent: float
    degrees: list[int]
    hubs: list[Hub]


class Likeness(Figures):
    """Cosine of text vectors of target items: linked, joined only through another type, random.

    The last two are differences to random pairs.
    """

    linked: Estimate
    through_other: Estimate
    random: Estimate
    linked_gain: Estimate
    through_gain: Estimate


class GraphReport(Figures):
    """All of it; `model_dump(mode="json")` is the JSON.

    Attributes:
        relations: By `relation_label` of destination, name and source.
        pairs_per_target_pair: Co-listened pairs of each two types for one target-target pair.
        only_through_other: Share of co-listened or so joined target pairs that only an item of
            another type joins.
        likeness: None without text vectors.
    """

    target_type: str
    nodes: dict[str, int]
    isolated: dict[str, int]
    edges: int
    relations: dict[str, RelationFigures]
    components: int
    largest_component_share: float
    pairs_per_target_pair: dict[str, float]
    only_through_other: Estimate
    likeness: Likeness | None
    findings: list[Finding]

    @property
    def can_learn(self) -> bool:
        """Whether no finding is severe."""
        return not any(finding.severe for finding in self.findings)


def graph_report(
    graph: CoListeningGraph,
    text: np.ndarray | None = None,
    titles: np.ndarray | None = None,
    *,
    data: DataSettings | None = None,
    seed: int = 0,
) -> GraphReport:
    """Measure a graph.

    Args:
        text: Unit text vectors [num_items, d], zero rows where an item has no text.
        titles: str [num_items].
        data: Which type is the target; default: the graph's only type, or audiobooks.
        seed: Of all samples.

    Raises:
        GraphError: The graph has no such type.
    """
    target = _target(graph, data)
    rng = np.random.default_rng(seed)
    relations = {}
    for name, relation in track(list(graph.relations.items()), "degrees"):
        start = graph.slice_of(name[2]).start
        relations[relation_label(*name[::-1])] = _figures(name, relation, start, titles)
    components, largest = _components(graph)
    joined, direct_pairs, through_pairs = _joined(graph, target, rng)
    summary = graph.summary()
    report = GraphReport(
        target_type=target,
        nodes=dict(graph.num_nodes),
        isolated=summary["isolated"],
        edges=graph.num_edges,
        relations=relations,
        components=components,
        largest_component_share=largest,
        pairs_per_target_pair=_pair_ratios(graph, target),
        only_through_other=joined,
        likeness=None
        if text is None
        else _likeness(text[graph.slice_of(target)], direct_pairs, through_pairs, rng),
        findings=[],
    )
    return report.model_copy(update={"findings": findings(report, graph, text)})


def bootstrap(
    values: np.ndarray, rng: np.random.Generator, than: np.ndarray | None = None
) -> Estimate:
    """Mean of [n] values, or its difference to the mean of `than`, with a 95 % interval."""
    if not len(values) or (than is not None and not len(than)):
        return Estimate(mean=None, low=None, high=None, sample=len(values))

    def means(of: np.ndarray) -> np.ndarray:
        drawn: np.ndarray = of[rng.integers(0, len(of), (RESAMPLES, len(of)))].mean(1)
        return drawn

    middle, spread = values.mean(), means(values)
    if than is not None:
        middle, spread = middle - than.mean(), spread - means(than)
    low, high = np.percentile(spread, [2.5, 97.5])
    return Estimate(
        mean=round(float(middle), 5),
        low=round(float(low), 5),
        high=round(float(high), 5),
        sample=len(values),
    )


def _target(graph: CoListeningGraph, data: DataSettings | None) -> str:
    known = graph.item_types
    own = known[0] if data is None and len(known) == 1 else (data or DataSettings()).target_type
    return known_word("Target type", own, known, GraphError)


def _pair_ratios(graph: CoListeningGraph, target: str) -> dict[str, float]:
    types = [target, *(name for name in graph.item_types if name != target)]
    own = max(graph.relation((target, CO_LISTENED, target)).num_edges / 2, 1)
    ratios = {relation_label(target, CO_LISTENED, target): 1.0}
    for first, second in combinations_with_replacement(types, 2):
        edges = graph.relation((second, CO_LISTENED, first)).num_edges
        pairs = edges / 2 if first == second else edges
        ratios.setdefault(relation_label(first, CO_LISTENED, second), round(pairs / own, 2))
    return ratios


def _figures(
    name: RelationName, relation: Relation, start: int, titles: np.ndarray | None
) -> RelationFigures:
    degrees = relation.degrees
    order = np.argsort(-degrees, kind="stable")
    top = degrees[order[: max(1, len(order) // 100)]].sum()
    bins = np.bincount(np.frexp(degrees)[1]) if len(degrees) else np.zeros(0, int)
    return RelationFigures(
        source=name[0],
        name=name[1],
        destination=name[2],
        edges=relation.num_edges,
        mean_degree=round(float(degrees.mean()), 3) if len(degrees) else 0.0,
        max_degree=int(degrees.max(initial=0)),
        nodes_with_edges=int((degrees > 0).sum()),
        share_of_top_percent=round(float(top / max(relation.num_edges, 1)), 4),
        degrees=bins.tolist(),
        hubs=[
            Hub(
                item=int(start + at),
                title="" if titles is None else str(titles[start + at] or ""),
                degree=int(degrees[at]),
            )
            for at in order[:HUBS]
            if degrees[at]
        ],
    )


def _components(graph: CoListeningGraph) -> tuple[int, float]:
    """Connected components of all items, and the share of items in the largest."""
    if not graph.num_items:
        return 0, 0.0
    blocks = []
    for node in graph.item_types:
        blocks.append([_pattern(graph, node, near) for near in graph.item_types])
    count, label = connected_components(bmat(blocks, format="csr"), directed=False)
    return int(count), round(float(np.bincount(label).max() / graph.num_items), 4)


def _pattern(graph: CoListeningGraph, node: str, near: str, name: str | None = None) -> csr_matrix:
    """Where the relations between two types, or the one of a name, have edges."""
    shape = (graph.num_nodes[node], graph.num_nodes[near])
    pattern = csr_matrix(shape, dtype=np.int32)
    for each, relation in graph.relations.items():
        if (each[2], each[0]) == (node, near) and name in (None, each[1]):
            ones = np.ones(relation.num_edges, np.int32)
            pattern += csr_matrix((ones, relation.indices, relation.indptr), shape=shape)
    return pattern


def _joined(
    graph: CoListeningGraph, target: str, rng: np.random.Generator
) -> tuple[Estimate, np.ndarray, np.ndarray]:
    """Share of pairs joined only through other types, samples of direct and such pairs [n, 2]."""
    count = graph.num_nodes[target]
    items = np.sort(rng.choice(count, min(count, SAMPLE_ITEMS), replace=False))
    own = _pattern(graph, target, target, CO_LISTENED)
    others = [name for name in graph.item_types if name != target]
    there, back = (
        hstack([csr_matrix((count, 0), dtype=np.int32), *parts], format="csr")
        for parts in (
            [_pattern(graph, target, name, CO_LISTENED) for name in others],
            [_pattern(graph, name, target, CO_LISTENED).T for name in others],
        )
    )
    back = back.T.tocsr()
    shares: list[tuple[int, int]] = []
    direct: list[np.ndarray] = []
    through: list[np.ndarray] = []
    parts = [items[start : start + BLOCK] for start in range(0, len(items), BLOCK)]
    for part in track(parts, "pairs joined through other types"):
        reached = there[part] @ back
        linked = own[part]
        for at, item in enumerate(part):
            near = linked.indices[linked.indptr[at] : linked.indptr[at + 1]]
            far = reached.indices[reached.indptr[at] : reached.indptr[at + 1]]
            only = np.setdiff1d(far, np.append(near, item))
            if len(near) + len(only):
                shares.append((len(only), len(near) + len(only)))
            for items_near, into in ((near, direct), (only, through)):
                drawn = items_near[rng.integers(0, len(items_near), min(len(items_near), 8))]
                into.append(np.stack([np.full(len(drawn), item), drawn], axis=1))
    estimate = _ratio(shares, len(items), rng)
    return estimate, _some(direct, rng), _some(through, rng)


def _ratio(shares: list[tuple[int, int]], sample: int, rng: np.random.Generator) -> Estimate:
    """Sum of parts over sum of wholes, with an interval over resampled items."""
    if not shares:
        return Estimate(mean=None, low=None, high=None, sample=sample)
    joined = np.array(shares, float)
    spread = joined[rng.integers(0, len(joined), (RESAMPLES, len(joined)))].sum(1)
    low, high = np.percentile(spread[:, 0] / spread[:, 1], [2.5, 97.5])
    return Estimate(
        mean=round(float(joined[:, 0].sum() / joined[:, 1].sum()), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
        sample=sample,
    )


def _some(parts: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *parts]).astype(np.int64)
    if len(pairs) > SAMPLE_PAIRS:
        pairs = pairs[rng.choice(len(pairs), SAMPLE_PAIRS, replace=False)]
    return pairs


def _likeness(
    text: np.ndarray, direct: np.ndarray, through: np.ndarray, rng: np.random.Generator
) -> Likeness:
    size = len(text)
    drawn = rng.integers(0, max(size, 1), (SAMPLE_PAIRS if size > 1 else 0, 2))
    chance = drawn[drawn[:, 0] != drawn[:, 1]] if len(drawn) else drawn

    def cosines(pairs: np.ndarray) -> np.ndarray:
        left, right = (np.asarray(text[pairs[:, end]], np.float64) for end in (0, 1))
        cosine: np.ndarray = (left * right).sum(1)
        # An item without text says nothing of likeness.
        return cosine[left.any(1) & right.any(1)]

    linked, joined, anyone = (cosines(pairs) for pairs in (direct, through, chance))
    return Likeness(
        linked=bootstrap(linked, rng),
        through_other=bootstrap(joined, rng),
        random=bootstrap(anyone, rng),
        linked_gain=bootstrap(linked, rng, anyone),
        through_gain=bootstrap(joined, rng, anyone),
    )
