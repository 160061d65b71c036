from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from colisten.errors import TrainingError
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation
from colisten.models.aggregation import Aggregation
from colisten.models.catalogue import embed_catalogue
from colisten.models.hgnn import HGNN, HGNNLayer, unit_rows
from colisten.sampling.neighbours import NeighborSampler
from colisten.settings.sections import HGNNSettings
from tests.sampling.graphs import random_graph

FORMS = pytest.mark.parametrize("residual", [True, False])
WAYS = pytest.mark.parametrize("how", ["max", "mean", "weighted"])
ALL = (1000, 1000)


def model_of(
    graph: CoListeningGraph,
    text_dim: int,
    *,
    residual: bool,
    dim: int = 16,
    how: Aggregation = "max",
) -> HGNN:
    torch.manual_seed(0)
    settings = HGNNSettings(dim=dim, residual=residual, aggregation=how)
    return HGNN(text_dim, graph.item_types, graph.relations, settings).eval()


def text_of(graph: CoListeningGraph, dim: int = 12, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(graph.num_items, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def sampled(
    model: HGNN, graph: CoListeningGraph, text: np.ndarray, seeds: np.ndarray
) -> np.ndarray:
    sampler = NeighborSampler(graph, ALL, edge_weights=model.settings.aggregation == "weighted")
    around = sampler.sample(seeds, 0)
    with torch.no_grad():
        vectors: np.ndarray = model(torch.from_numpy(text[around.inputs]), around).numpy()
    return vectors


@FORMS
@WAYS
@pytest.mark.parametrize(("audiobooks", "podcasts"), [(40, 70), (40, 0), (0, 40), (1, 1)])
def test_full_fan_out_equals_the_whole_catalogue(
    residual: bool, how: Aggregation, audiobooks: int, podcasts: int
) -> None:
    graph = random_graph(audiobooks, podcasts, 600, seed=1)
    text = text_of(graph)
    model = model_of(graph, 12, residual=residual, how=how)
    whole = embed_catalogue(model, graph, text)
    assert whole.shape == (graph.num_items, 16)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    for seeds in (np.arange(graph.num_items), np.arange(0, graph.num_items, 7)):
        np.testing.assert_allclose(sampled(model, graph, text, seeds), whole[seeds], atol=1e-5)


@pytest.mark.parametrize("how", ["max", "mean"])
def test_the_paper_form_equals_pyg(how: Aggregation) -> None:
    """eq. 1 is SAGEConv's pooling with an identity after it; eq. 2 sums over relations."""
    from torch_geometric.nn import HeteroConv, SAGEConv

    graph = random_graph(25, 35, 300, seed=3)
    text = text_of(graph, dim=16)
    ours = model_of(graph, 16, residual=False, how=how)
    data = graph.to_hetero_data(text)
    hidden = data.x_dict
    for layer in ours.layers:
        assert isinstance(layer, HGNNLayer)
        convs = {}
        for name in data.edge_types:
            conv = SAGEConv((16, 16), 16, aggr=how, project=True)
            message = layer.messages["-".join(name)]
            with torch.no_grad():
                conv.lin.weight.copy_(message.weight)
                conv.lin.bias.copy_(message.bias)
                conv.lin_l.weight.copy_(torch.eye(16))
                conv.lin_l.bias.zero_()
                # W of eq. 2 is added once per node, so one relation of each type carries it.
                carries = float(name[0] == name[2])
                conv.lin_r.weight.copy_(layer.update.weight * carries)
                conv.lin_l.bias.copy_(layer.update.bias * carries)
            convs[name] = conv
        out = HeteroConv(convs, aggr="sum")(hidden, data.edge_index_dict)
        hidden = {name: rows.relu() for name, rows in out.items()}
    theirs = unit_rows(torch.cat([hidden[name] for name in graph.item_types])).detach().numpy()
    np.testing.assert_allclose(embed_catalogue(ours, graph, text), theirs, atol=1e-5)


@FORMS
@WAYS
def test_gradients_are_right_on_a_toy_graph(residual: bool, how: Aggregation) -> None:
    graph = random_graph(4, 5, 14, seed=4)
    model = model_of(graph, 3, residual=residual, dim=4, how=how).double()
    around = NeighborSampler(graph, ALL, edge_weights=True).sample(np.arange(9), 0)
    text = torch.from_numpy(text_of(graph, dim=3)).double()
    weights = [parameter.detach().clone().requires_grad_() for parameter in model.parameters()]
    names = [name for name, _ in model.named_parameters()]

    def forward(*values: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, values, strict=True))
        out: torch.Tensor = torch.func.functional_call(model, given, (text, around))
        return out

    assert torch.autograd.gradcheck(forward, tuple(weights), eps=1e-6, atol=1e-4)


@FORMS
def test_an_item_without_edges_has_a_vector_of_its_own_text(residual: bool) -> None:
    """Inductive: its vector follows its text and nothing else."""
    graph = random_graph(20, 20, 150, seed=5)
    lonely = [
        (name, Relation.from_edges(*grown(relation, graph.num_nodes[name[2]], name[2])))
        for name, relation in graph.relations.items()
    ]
    wider = CoListeningGraph({"audiobook": 20, "podcast": 21}, dict(lonely), "ids")
    text = text_of(wider)
    model = model_of(wider, 12, residual=residual)
    before = embed_catalogue(model, wider, text)
    others = text.copy()
    others[:40] = text_of(graph, seed=9)
    after = embed_catalogue(model, wider, others)
    np.testing.assert_allclose(after[40], before[40], atol=1e-6)
    assert np.abs(after[:40] - before[:40]).max() > 0.1
    own = text.copy()
    own[40] = -text[40]
    assert np.abs(embed_catalogue(model, wider, own)[40] - before[40]).max() > 0.05


def grown(
    relation: Relation, nodes: int, source: str
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """The same edges with one more podcast that has none."""
    return (
        nodes + (source == "podcast"),
        relation.rows,
        relation.indices,
        relation.weights,
    )


@FORMS
def test_items_without_text_still_get_unit_vectors(residual: bool) -> None:
    """A whole type without text: its items differ by their neighbours' text."""
    graph = random_graph(30, 30, 400, seed=6)
    text = text_of(graph)
    text[graph.slice_of("podcast")] = 0
    vectors = embed_catalogue(model_of(graph, 12, residual=residual), graph, text)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    podcasts = vectors[graph.slice_of("podcast")]
    assert len(np.unique(podcasts.round(6), axis=0)) == len(podcasts)


def test_a_row_without_direction_becomes_a_constant_unit_vector() -> None:
    rows = unit_rows(torch.tensor([[0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 4.0]]))
    torch.testing.assert_close(rows, torch.tensor([[0.5] * 4, [0.6, 0.0, 0.0, 0.8]]))


def test_the_paper_form_has_the_parameters_of_the_paper() -> None:
    """Per layer one W, and one W_r with bias per relation; nothing else."""
    graph = random_graph(3, 3, 5, seed=0)
    model = model_of(graph, 12, residual=False)
    names = {name for name, _ in model.named_parameters()}
    expected = {
        f"layers.{layer}.{part}.{kind}"
        for layer in (0, 1)
        for part in [
            "update",
            *(f"messages.{'-'.join(name)}" for name in graph.relations),
        ]
        for kind in ("weight", "bias")
    }
    assert names == expected
    assert isinstance(model.layers, nn.ModuleList)


@pytest.mark.parametrize("text_dim", [12, 40])
def test_p_starts_as_the_principal_directions_of_the_text(text_dim: int) -> None:
    """Texts that span no more than `dim` directions keep every cosine; two starts are equal."""
    graph = random_graph(30, 30, 100, seed=7)
    text = text_of(graph, dim=12) @ text_of(graph, dim=text_dim)[:12]
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    one, two = (model_of(graph, text_dim, residual=True) for _ in range(2))
    nn.init.normal_(two.project.weight)
    one.start_from(text)
    two.start_from(text)
    assert torch.equal(one.project.weight, two.project.weight)
    vectors = one.combine(torch.from_numpy(text), torch.zeros(60, 16)).detach().numpy()
    np.testing.assert_allclose(vectors @ vectors.T, text @ text.T, atol=1e-4)
    paper = model_of(graph, text_dim, residual=False)
    before = {name: value.clone() for name, value in paper.state_dict().items()}
    paper.start_from(text)
    assert all(torch.equal(value, before[name]) for name, value in paper.state_dict().items())


def test_shapes_are_checked_at_the_border() -> None:
    graph = random_graph(5, 5, 20, seed=0)
    model = model_of(graph, 12, residual=True)
    text = text_of(graph)
    around = NeighborSampler(graph, ALL, weighted=False).sample(np.arange(10), 0)
    with pytest.raises(TrainingError, match=r"\[10, 12\]"):
        model(torch.zeros(10, 3), around)
    short = NeighborSampler(graph, (3,), weighted=False).sample(np.arange(10), 0)
    with pytest.raises(TrainingError, match="as many hops"):
        model(torch.zeros(10, 12), short)
    with pytest.raises(TrainingError, match="one row per item"):
        embed_catalogue(model, graph, text[:-1])
    with pytest.raises(TrainingError, match="float16 or float32, not float64"):
        embed_catalogue(model, graph, text.astype(np.float64))
    with pytest.raises(TrainingError, match="not finite"):
        embed_catalogue(model, graph, np.full_like(text, np.nan))
    with pytest.raises(TrainingError, match=r"torch.float32 on cpu.*torch.float64"):
        model(torch.zeros(10, 12, dtype=torch.float64), around)
    with pytest.raises(TrainingError, match="edge_weights=True"):
        model_of(graph, 12, residual=True, how="weighted")(torch.zeros(10, 12), around)
    with pytest.raises(TrainingError, match="number of items"):
        HGNN(12, graph.item_types, graph.relations, HGNNSettings(id_vectors=True))
    with pytest.raises(TrainingError, match="length 12"):
        embed_catalogue(model, graph, text_of(graph, dim=5))
