"""Factors: the graph's leading eigenvectors, the same by dense and by iterative algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from colisten.graph import factors as factors_module
from colisten.graph.factors import co_listening_factors
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation

A, P = 40, 60


def graph(strength: np.ndarray) -> CoListeningGraph:
    """A graph of symmetric strengths [A + P, A + P]."""
    spans = {"audiobook": slice(0, A), "podcast": slice(A, A + P)}
    relations = {}
    for node, own in spans.items():
        for other, their in spans.items():
            block = strength[own, their]
            source, target = np.nonzero(block)
            relations[other, "co_listened", node] = Relation.from_edges(
                len(block), source, target, block[source, target]
            )
    return CoListeningGraph({"audiobook": A, "podcast": P}, relations, "digest")


def communities(seed: int = 0) -> np.ndarray:
    """Two halves of the items, each linked within; the last item is linked to nobody."""
    rng = np.random.default_rng(seed)
    side = np.arange(A + P) % 2
    chance = np.where(side[:, None] == side[None, :], 0.4, 0.02)
    strength = np.triu(rng.random((A + P, A + P)) < chance, 1) * rng.integers(1, 5, (A + P, A + P))
    strength[:, -1] = 0
    return (strength + strength.T).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("dim", [2, 60])
def test_people_of_one_half_are_near_each_other_across_types(dim: int) -> None:
    strength = communities()
    factors = co_listening_factors(graph(strength), dim)
    assert factors.shape == (A + P, dim)
    assert factors.dtype == np.float32
    near = unit(factors) @ unit(factors).T
    linked = np.flatnonzero(strength.sum(axis=1))
    same = (linked[:, None] % 2) == (linked[None, :] % 2)
    off = ~np.eye(len(linked), dtype=bool)
    within = near[np.ix_(linked, linked)]
    assert within[same & off].mean() > within[~same].mean() + 0.2 / dim**0.5


def test_iterative_algebra_finds_what_dense_does() -> None:
    strength = communities()
    few, many = co_listening_factors(graph(strength), 6), co_listening_factors(graph(strength), 60)
    # The same eigenvectors, before each row's length is evened out.
    leading = many[:, :6]
    cosine = (unit(few) * unit(leading)).sum(axis=1)
    linked = strength.sum(axis=1) > 0
    np.testing.assert_allclose(cosine[linked], 1.0, atol=1e-4)


@pytest.mark.parametrize("found", [2, 0])
def test_factors_that_do_not_converge_are_left_out(
    found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = co_listening_factors(graph(communities()), 6)

    def impatient(matrix: Any, **given: Any) -> Any:
        values, vectors = eigsh(matrix, **given)
        some = np.argsort(-values)[:found]
        raise ArpackNoConvergence("%s", values[some], vectors[:, some])

    monkeypatch.setattr(factors_module, "eigsh", impatient)
    part = co_listening_factors(graph(communities()), 6)
    assert np.flatnonzero(part.any(axis=0)).tolist() == list(range(found))
    if found:
        cosine = (unit(part[:, :found]) * unit(whole[:, :found])).sum(axis=1)
        assert cosine[:-1].min() > 0.999


def test_lengths_and_silence() -> None:
    strength = communities()
    factors = co_listening_factors(graph(strength), 8)
    length = np.linalg.norm(factors, axis=1)
    assert length[-1] == 0
    assert np.sqrt(np.square(length[:-1]).mean()) == pytest.approx(2.0, rel=1e-5)
    assert np.corrcoef(length[:-1], strength.sum(axis=1)[:-1])[0, 1] > 0.3
    again = co_listening_factors(graph(strength), 8)
    np.testing.assert_array_equal(factors, again)


def test_an_item_without_listeners_stands_amid_those_it_is_linked_to() -> None:
    strength = communities()
    strength[:, A - 1] = strength[A - 1] = 0
    plain = graph(strength)
    # The last audiobook is linked to two heard ones, to one of them twice, and to a silent podcast.
    near = {
        ("audiobook", "same author", "audiobook"): np.array([0, 4]),
        ("audiobook", "same series", "audiobook"): np.array([4]),
        ("podcast", "same author", "audiobook"): np.array([P - 1]),
    }
    links = {
        name: Relation.from_edges(A, np.full(len(ends), A - 1), ends, np.ones(len(ends)))
        for name, ends in near.items()
    }
    linked = CoListeningGraph(plain.num_nodes, plain.relations | links, "digest")
    before, after = (co_listening_factors(each, 8) for each in (plain, linked))
    assert not before[A - 1].any()
    np.testing.assert_allclose(after[A - 1], (before[0] + 2 * before[4]) / 3, rtol=1e-5)
    others = np.arange(A + P) != A - 1
    np.testing.assert_array_equal(after[others], before[others])


def test_an_edge_of_one_direction_counts_in_both_and_signs_are_settled() -> None:
    strength = communities()
    one_way = np.where(np.arange(A + P)[:, None] % 3 > 0, strength, np.triu(strength))
    one_way = np.maximum(one_way, np.triu(strength))
    assert not np.array_equal(one_way, one_way.T)
    factors = co_listening_factors(graph(one_way), 6)
    np.testing.assert_array_equal(factors, co_listening_factors(graph(strength), 6))
    # The leading eigenvector is of one sign (Perron and Frobenius), and that is settled as plus.
    assert (factors[:, 0] >= 0).all()


def test_a_graph_without_edges_or_with_few_nodes_leaves_zeros() -> None:
    nothing = graph(np.zeros((A + P, A + P), dtype=np.float32))
    assert not co_listening_factors(nothing, 16).any()
    assert co_listening_factors(nothing, 0).shape == (A + P, 0)
    pair = np.zeros((A + P, A + P), dtype=np.float32)
    pair[0, 1] = pair[1, 0] = 3.0
    factors = co_listening_factors(graph(pair), 16)
    assert np.flatnonzero(factors.any(axis=1)).tolist() == [0, 1]
    # One positive eigenvalue, so one factor; the product of the two is what ties them.
    assert np.flatnonzero(factors.any(axis=0)).tolist() == [0]
    assert factors[0] @ factors[1] > 0
