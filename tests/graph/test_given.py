"""What callers give for edges is kept exactly or refused; nothing is cut, wrapped or made up."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import GraphError
from colisten.graph.given import array_of, index_of, one_kind, times_of, weights_of, whole
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation

KINDS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS: dict[str, Literal[16, 32, 64]] = {"float16": 16, "float32": 32, "float64": 64}
ANY_KIND = [*KINDS, *FLOATS]


def _array(kind: str, draw: Any) -> np.ndarray:
    if kind in FLOATS:
        # Subnormal numbers and all, but finite.
        numbers = st.floats(width=FLOATS[kind], allow_nan=False, allow_infinity=False)
        return np.array(draw(st.lists(numbers)), kind)
    limits = np.iinfo(kind)
    # -2**63 is what NaT and NaN become as integers: no time, and refused.
    least, largest = max(int(limits.min), 1 - 2**63), min(int(limits.max), 2**63 - 1)
    return np.array(draw(st.lists(st.integers(least, largest))), kind)


@settings(max_examples=200, deadline=None)
@given(
    data=st.data(),
    kind=st.sampled_from(ANY_KIND),
    other=st.sampled_from(ANY_KIND),
)
def test_times_compare_as_the_numbers_they_are(data: Any, kind: str, other: str) -> None:
    """Against Python, whose integers and floats compare exactly."""
    left, right = _array(kind, data.draw), _array(other, data.draw)
    given = {"one": times_of(left, len(left), "one"), "two": times_of(right, len(right), "two")}
    try:
        kept = one_kind(given)
    except GraphError:
        kinds = {array.dtype.kind for array in given.values()}
        assert kinds == {"i", "f"}
        assert any(
            abs(int(value)) > 2**53
            for array in given.values()
            if array.dtype.kind == "i"
            for value in array
        )
        return
    for mine, theirs in ((left, kept["one"]), (right, kept["two"])):
        assert theirs.dtype in (np.int64, np.float64)
        assert mine.tolist() == theirs.tolist()
    for a, exact_a in zip(left.tolist(), kept["one"], strict=True):
        for b, exact_b in zip(right.tolist(), kept["two"], strict=True):
            assert (a <= b) == bool(exact_a <= exact_b)


REFUSED_TIMES = {
    "NaN": np.array([0.0, np.nan]),
    "infinite": torch.tensor([0.0, float("inf")]),
    "half NaN": torch.tensor([0.0, float("nan")], dtype=torch.bfloat16),
    "bool": torch.tensor([True, False]),
    "complex": torch.tensor([1j, 2j]),
    "uint64 beyond int64": np.array([0, 2**63], np.uint64),
    "NaT as an integer": np.array([0, -(2**63)]),
    "moment": np.array(["2025-01-01", "NaT"], "datetime64[s]"),
    "duration": np.array([1, 2], "timedelta64[s]"),
    "text": ["2025-01-01", "2025-01-02"],
    "object": np.array([1, None]),
    "too few": np.array([1]),
    "too many": torch.tensor([1, 2, 3]),
    "two dimensions": torch.tensor([[1], [2]]),
    "one for all": torch.tensor(1),
    "ragged": [[1], [2, 3]],
    "sparse": torch.eye(2).to_sparse(),
    "without data": torch.empty(2, device="meta"),
    "masked": np.ma.masked_array([1, 2], [False, True]),
    "beyond int64": [1, 2**70],
    "nothing": None,
}


@pytest.mark.parametrize("name", REFUSED_TIMES)
def test_other_times_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(GraphError) as caught:
        times_of(REFUSED_TIMES[name], 2, "Times 'since' of edges")
    assert str(caught.value).startswith("Times 'since' of edges")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "values",
    [
        torch.tensor([[0, 1], [1, 0]], dtype=torch.int16),
        torch.tensor([[0, 1], [1, 0]], dtype=torch.uint8),
        torch.tensor([[0, 1], [1, 0]]).t(),
        torch.tensor([[0, 9, 1, 9], [1, 9, 0, 9]])[:, ::2],
        np.array([[0, 1], [1, 0]], np.uint64),
        [[0, 1], [1, 0]],
        (np.array([0, 1]), np.array([1, 0], np.int8)),
    ],
)
def test_an_index_of_any_whole_kind_is_taken(values: Any) -> None:
    index = index_of(values, (2, 2), "edges")
    assert index.dtype in (np.int32, np.int64)
    assert index.flags.c_contiguous
    assert index.tolist() == [[0, 1], [1, 0]]


def test_an_index_without_edges_may_be_of_any_kind() -> None:
    empties: list[Any] = [torch.empty(2, 0), np.zeros((2, 0), bool), [[], []]]
    for empty in empties:
        assert index_of(empty, (2, 2), "edges").shape == (2, 0)


@pytest.mark.parametrize(
    "values",
    [
        torch.tensor([[0.0, 1.0], [1.0, 0.5]]),
        torch.tensor([[0.0], [float("nan")]]),
        torch.tensor([[True], [False]]),
        np.array([[2**64 - 1], [0]], np.uint64),
        np.array([[2**32], [0]]),
        torch.tensor([[-1], [0]]),
        torch.tensor([0, 1]),
        torch.tensor([[0, 1, 0]]),
        torch.eye(2).to_sparse(),
        [[0], [1, 0]],
        [["0"], ["1"]],
        None,
        {},
        7,
    ],
)
def test_an_index_is_never_bent_into_shape(values: Any) -> None:
    with pytest.raises(GraphError, match="edges"):
        index_of(values, (2, 2), "edges")


@pytest.mark.parametrize(
    "values",
    [[1, -1], [0, 1], [np.nan, 1], [np.inf, 1], [1e-50, 1], [1e50, 1], [True, False], [1j, 1]],
)
def test_weights_are_finite_and_positive(values: Any) -> None:
    with pytest.raises(GraphError, match="Weights"):
        weights_of(np.array(values), 2, "Weights")
    assert weights_of(torch.tensor([[1], [2]]), 2, "Weights").tolist() == [1, 2]
    assert weights_of(torch.ones(2, dtype=torch.bfloat16, requires_grad=True), 2, "W").sum() == 2


@given(st.one_of(st.floats(), st.booleans(), st.text(), st.none(), st.integers(max_value=-1)))
def test_a_whole_number_is_one(value: Any) -> None:
    with pytest.raises(GraphError, match="num_workers"):
        whole("num_workers", value, 0)
    assert whole("num_workers", np.int8(3), 0) == 3


def test_a_subclass_of_tensor_is_read() -> None:
    from torch_geometric import EdgeIndex

    index = EdgeIndex([[0, 1], [1, 0]], sparse_size=(2, 2))
    assert index_of(index, (2, 2), "edges").tolist() == [[0, 1], [1, 0]]
    assert array_of(torch.tensor([1.0, 2.0]).conj(), "x").tolist() == [1, 2]


def test_a_relation_keeps_its_edges_or_refuses_them() -> None:
    kept = Relation.from_edges(
        2, np.array([1, 0]), np.array([5, 2**31 - 1]), np.ones(2), np.array([7, 8], np.uint8)
    )
    assert kept.indices.tolist() == [2**31 - 1, 5]
    assert kept.times is not None
    assert kept.times.tolist() == [8, 7]
    one = np.ones(1)
    for source, target, times in (
        ([0], [2**31], None),
        ([0], [0.5], None),
        ([0.5], [0], None),
        ([2], [0], None),
        ([0], [-1], None),
        ([0], [0], [0.5]),
        ([0], [0], [np.nan]),
        ([0], [0], [1, 2]),
    ):
        with pytest.raises(GraphError):
            Relation.from_edges(
                2,
                np.array(source),
                np.array(target),
                one,
                None if times is None else np.array(times),
            )


@pytest.mark.parametrize("moment", [0.5, float("nan"), True, "2025-01-01", None])
def test_a_graph_is_cut_at_whole_microseconds(moment: Any) -> None:
    graph = CoListeningGraph({"a": 1}, {("a", "r", "a"): Relation.empty(1)}, "ids")
    with pytest.raises(GraphError, match="microseconds"):
        graph.before(moment)
