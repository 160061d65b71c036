"""A graph with users: interactions both ways, and no answer in what a user enters with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.user_graph import NodeText, fit_user_hgnn, user_graph
from colisten.errors import TrainingError
from tests.baselines.test_baselines import planted

CHOSEN = {"log_q": 1.0, "steps": 20}


@pytest.mark.parametrize("target", [slice(0, 25), slice(15, 40), slice(10, 30), slice(0, 40)])
def test_the_graph_holds_every_touch_both_ways_and_nothing_else(target: slice) -> None:
    train = replace(planted(), target=target)
    graph = user_graph(train)
    dense = train.matrix.toarray() > 0
    assert graph.num_items == 40 + 80
    assert graph.slice_of("target") == target
    assert graph.slice_of("user") == slice(40, 120)
    for item_type in [name for name in graph.num_nodes if name != "user"]:
        place = graph.slice_of(item_type)
        for pair, expected in (
            ((item_type, "touched", "user"), dense[:, place]),
            (("user", "touched", item_type), dense[:, place].T),
        ):
            relation = graph.relations[pair]
            found = np.zeros(expected.shape, bool)
            found[relation.rows, relation.indices] = True
            np.testing.assert_array_equal(found, expected)
    assert graph.num_edges == 2 * train.matrix.nnz


def test_a_user_enters_as_the_mean_of_items_without_those_hidden() -> None:
    touched = sparse.csr_matrix(np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]], np.float32))
    text = np.arange(6, dtype=np.float32).reshape(3, 2)
    ids = np.array(["a", "b", "c"], object)
    inputs = NodeText.of(
        InteractionMatrix(touched, np.zeros(5, np.int64), ids, slice(0, 2), text), text
    )
    np.testing.assert_allclose(
        inputs.rows(np.arange(6)),
        [*text, (text[0] + text[1]) / 2, (text[1] + text[2]) / 2, text[2]],
    )
    # (item, user) by global index: users follow the three items.
    hidden = np.array([[1, 3], [2, 4], [1, 4], [2, 5]])
    np.testing.assert_allclose(
        inputs.rows(np.array([1, 3, 4, 5]), hidden), [text[1], text[0], [0, 0], [0, 0]]
    )
    np.testing.assert_allclose(inputs.rows(np.array([3])), [(text[0] + text[1]) / 2])


def test_an_item_nobody_touched_is_found_by_its_text() -> None:
    train = planted()
    assert train.text is not None
    # Items 23 and 24 are new and say clearly whose taste they are.
    dense = train.matrix.toarray()
    dense[:, [23, 24]] = 0.0
    matrix = sparse.csr_matrix(dense)
    text = train.text.copy()
    text[23], text[24] = text[1:22:2].mean(axis=0), text[0:22:2].mean(axis=0)
    new = replace(train, matrix=matrix, times=np.zeros(matrix.nnz, np.int64), text=text)
    scores = fit_user_hgnn(new, CHOSEN, 1, 0)(np.arange(80))
    odd = np.arange(80) % 2 == 1
    gap = scores[:, 23] - scores[:, 24]
    assert (gap[odd] > 0).mean() > 0.9
    assert (gap[~odd] < 0).mean() > 0.9


def test_without_a_touch_of_the_target_it_follows_text() -> None:
    train = planted()
    dense = train.matrix.toarray()
    dense[:, :25] = 0.0
    matrix = sparse.csr_matrix(dense)
    cold = replace(train, matrix=matrix, times=np.zeros(matrix.nnz, np.int64))
    scores = fit_user_hgnn(cold, CHOSEN, 1, 0)(np.arange(80))
    assert np.isfinite(scores).all()


def test_text_is_needed() -> None:
    with pytest.raises(TrainingError, match="text"):
        fit_user_hgnn(replace(planted(), text=None), CHOSEN, 1, 0)
