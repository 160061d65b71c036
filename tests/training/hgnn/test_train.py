from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from colisten.errors import TrainingError
from colisten.graph.build import build_graph
from colisten.graph.graph import CoListeningGraph
from colisten.graph.links import ALWAYS
from colisten.graph.relation import Relation, RelationName
from colisten.sampling.epochs import EpochPlan
from colisten.settings.sections import GraphSettings, HGNNSettings
from colisten.settings.tree import Settings
from colisten.training.hgnn import embed_catalogue, load_hgnn, train_hgnn
from colisten.training.hgnn.validation import hold_out
from tests.conftest import CUT
from tests.graph.sections import of_graph, of_hgnn

SMALL = HGNNSettings(
    dim=16,
    fanouts=(6, 4),
    batch_size=128,
    max_steps=24,
    evaluate_every=4,
    patience=100,
    learning_rate=0.01,
)


def chosen(seed: int = 0, **changes: object) -> Settings:
    return Settings(seed=seed, threads=1, hgnn=SMALL.model_copy(update=changes))


@pytest.fixture(scope="module")
def graph(tiny_history: Path) -> CoListeningGraph:
    """Few users make nearly every pair of items co-listened once: the strongest edges tell."""
    settings = Settings(graph=GraphSettings(top_k=8))
    return build_graph(tiny_history, as_of=CUT, **of_graph(settings))


@pytest.fixture(scope="module")
def text(graph: CoListeningGraph) -> np.ndarray:
    """Random unit vectors: what taste the item vectors show, the graph has taught them."""
    vectors = np.random.default_rng(0).normal(size=(graph.num_items, 20))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def gap(graph: CoListeningGraph, vectors: np.ndarray) -> float:
    """Mean cosine of same-taste pairs less that of different-taste pairs (even and odd items)."""
    taste = np.concatenate([np.arange(count) % 2 for count in graph.num_nodes.values()])
    likeness = vectors @ vectors.T
    apart = ~np.eye(len(taste), dtype=bool)
    same = taste[:, None] == taste
    return float(likeness[same & apart].mean() - likeness[~same].mean())


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"residual": False, "loss": "margin", "weighted_neighbours": False, "negatives": 4},
        {"balance": "none"},
        {"aggregation": "mean"},
        {"aggregation": "weighted", "id_vectors": True},
        {"loss": "margin", "hard_negatives": True, "negatives": 4},
    ],
    ids=["default", "paper", "unbalanced", "mean", "weighted with ids", "hard"],
)
def test_items_of_one_taste_end_closer(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path, form: dict[str, Any]
) -> None:
    # A random part is held out: in so small a world the edges that came last are chance ones.
    settings = chosen(max_steps=60, validation="random", **form)
    result = train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "hgnn",
    )
    vectors = embed_catalogue(result.model, graph, text)
    assert abs(gap(graph, text)) < 0.05
    assert gap(graph, vectors) > 0.15
    losses = [point["validation_loss"] for point in result.curve]
    assert min(losses) == result.best_loss
    assert min(losses) < losses[0]
    assert result.best_step == result.curve[int(np.argmin(losses))]["step"]


def test_validation_in_time_measures_on_what_training_never_saw(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold_out(graph, SMALL, 0)
    assert held.aside.times is not None
    assert held.train.times is not None
    first_later = min(times.min() for times in held.aside.times.values() if len(times))
    assert held.messages.num_edges < graph.num_edges
    for relation in held.messages.relations.values():
        assert relation.times is not None
        assert (relation.times < first_later).all()
    assert all((times < first_later).all() for times in held.train.times.values())
    result = train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path / "hgnn")
    assert {"validation_loss", "mrr", "mrr_audiobook_podcast"} <= set(result.curve[-1])
    assert all(0 < point["mrr"] <= 1 for point in result.curve)


@pytest.mark.parametrize("count", [4, 300])
def test_links_are_learned_from_and_set_no_pace(graph: CoListeningGraph, count: int) -> None:
    name: RelationName = ("audiobook", "same author", "audiobook")
    size = graph.num_nodes["audiobook"]
    pairs = np.stack(np.triu_indices(size, k=1))[:, :count]
    rows, near = np.concatenate([pairs, pairs[::-1]], axis=1)
    link = Relation.from_edges(size, rows, near, np.ones(len(rows)), np.full(len(rows), ALWAYS))
    plain, linked = (
        hold_out(each, SMALL, 0)
        for each in (graph, replace(graph, relations=graph.relations | {name: link}))
    )
    sizes, both = (
        EpochPlan(held.train, 64, held.balance(SMALL), weighted=True, seed=0).sizes
        for held in (plain, linked)
    )
    (pace,) = set(sizes.values())
    assert both == sizes | {name: min(len(pairs.T), pace)}
    for relation, kept in plain.train.pairs.items():
        np.testing.assert_array_equal(linked.train.pairs[relation], kept)
    least = EpochPlan(plain.train, 64, "min", weighted=True, seed=0)
    own = EpochPlan(plain.train, 64, plain.balance(SMALL), weighted=True, seed=0)
    for relation, drawn in least.epoch(3).items():
        np.testing.assert_array_equal(own.epoch(3)[relation], drawn)


def test_temporal_draws_teach_too(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    """Less, in a world whose edges nearly all come at its start: early pairs see few neighbours."""
    settings = chosen(max_steps=60, validation="random", temporal=True)
    result = train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "hgnn",
    )
    assert gap(graph, embed_catalogue(result.model, graph, text)) > gap(graph, text) + 0.05


def test_masked_neighbours_change_the_loss_and_still_teach(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    """In so dense a world most of a batch is linked, so little is left to tell apart."""
    losses = []
    for masked in (False, True):
        settings = chosen(max_steps=8, validation="random", mask_neighbours=masked)
        result = train_hgnn(
            graph,
            text,
            **of_hgnn(settings),
            out=tmp_path / str(masked),
        )
        losses.append(result.curve[0]["train_loss"])
    assert losses[1] < losses[0] - 0.1


def test_without_times_a_random_part_is_held_out(graph: CoListeningGraph) -> None:
    timeless = CoListeningGraph(
        graph.num_nodes,
        {name: replace(relation, times=None) for name, relation in graph.relations.items()},
        graph.ids_digest,
    )
    held = hold_out(timeless, SMALL, 0)
    assert held.messages is timeless
    assert held.aside.num_pairs == pytest.approx(held.train.num_pairs / 9, rel=0.05)


def test_equal_inputs_give_equal_bytes(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    one = train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path / "one")
    train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    names = {"hgnn.safetensors", "hgnn.json", "curve.json"}
    assert set(files(tmp_path / "one")) == names
    train_hgnn(graph, text, **of_hgnn(chosen(seed=1)), out=tmp_path / "three")
    assert files(tmp_path / "one") != files(tmp_path / "three")
    loaded = embed_catalogue(load_hgnn(tmp_path / "one"), graph, text)
    assert (loaded == embed_catalogue(one.model, graph, text)).all()
    assert json.loads((tmp_path / "one" / "curve.json").read_text()) == one.curve


def test_a_finished_model_is_found_and_other_inputs_train_anew(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    first = train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path)
    again = train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path)
    assert first.seconds > again.seconds == 0
    assert again.metrics() == first.metrics()
    assert again.curve == first.curve
    longer = train_hgnn(graph, text, **of_hgnn(chosen(max_steps=28)), out=tmp_path)
    assert longer.steps == 28


@pytest.mark.parametrize("crash_at", [1, 7, 8, 13, 24])
def test_a_crash_at_any_step_changes_nothing_in_the_end(
    graph: CoListeningGraph,
    text: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crash_at: int,
) -> None:
    train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path / "whole")
    step, count = torch.optim.Adam.step, 0

    def crash(*args: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == crash_at:
            raise KeyboardInterrupt
        return step(*args, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", crash)
        with pytest.raises(KeyboardInterrupt):
            train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path / "cut")
    assert not (tmp_path / "cut" / "hgnn.json").exists()
    result = train_hgnn(graph, text, **of_hgnn(chosen()), out=tmp_path / "cut")
    assert result.steps == 24
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


KILLED = """
import sys
from pathlib import Path
import numpy as np
from colisten.settings.tree import Settings
from colisten.graph.graph import CoListeningGraph
from colisten.training.hgnn import train_hgnn
folder = Path(sys.argv[1])
graph = CoListeningGraph.load(folder / "graph")
settings = Settings.from_json((folder / "settings.json").read_text())
text = np.load(folder / "text.npy")
train_hgnn(graph, text, settings.hgnn, seed=settings.seed, threads=1, out=folder / "killed")
"""


@pytest.mark.slow
def test_kill_9_and_resume_gives_the_weights_of_an_undisturbed_run(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    """Checkpoints come in mid-epoch and between evaluations, with ids and their dropout drawn."""
    settings = chosen(
        max_steps=400, evaluate_every=50, checkpoint_seconds=0.05, id_vectors=True, batch_size=16
    )
    graph.save(tmp_path / "graph")
    np.save(tmp_path / "text.npy", text)
    (tmp_path / "settings.json").write_text(settings.to_json())
    kills = 0
    for wait in (0.0, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)],
            cwd=Path(__file__).parents[3],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        checkpoint = tmp_path / "killed" / "checkpoint.safetensors"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                time.sleep(wait)
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        kills += process.wait() == -signal.SIGKILL
    assert kills > 0
    assert not (tmp_path / "killed" / "hgnn.json").exists() or kills < 2
    train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "killed",
    )
    train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "whole",
    )
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def without(graph: CoListeningGraph, *names: RelationName) -> CoListeningGraph:
    empty = {name: Relation.empty(graph.num_nodes[name[2]]) for name in names}
    return CoListeningGraph(graph.num_nodes, {**graph.relations, **empty}, graph.ids_digest)


def test_a_graph_without_edges_still_gives_vectors(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    bare = without(graph, *graph.relations)
    result = train_hgnn(bare, text, **of_hgnn(chosen()), out=tmp_path)
    assert (result.steps, result.curve, result.best_loss) == (0, [], None)
    vectors = embed_catalogue(load_hgnn(tmp_path), bare, text)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    upper = np.triu_indices(len(text), 1)
    likeness = np.corrcoef((vectors @ vectors.T)[upper], (text @ text.T)[upper])[0, 1]
    assert likeness > 0.5, "without edges the text says which items are alike"


def test_no_edges_between_targets_still_trains(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    sparse = without(graph, ("audiobook", "co_listened", "audiobook"))
    result = train_hgnn(sparse, text, **of_hgnn(chosen(max_steps=60)), out=tmp_path)
    assert "validation_audiobook_audiobook" not in result.curve[-1]
    assert gap(sparse, embed_catalogue(result.model, sparse, text)) > 0.1


def test_items_without_text_are_learned_from_their_neighbours(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    silent = text.copy()
    silent[graph.slice_of("podcast")] = 0
    result = train_hgnn(graph, silent, **of_hgnn(chosen(max_steps=60)), out=tmp_path)
    vectors = embed_catalogue(result.model, graph, silent)
    assert np.isfinite(vectors).all()
    assert gap(graph, vectors) > 0.1


def test_one_edge_is_too_few_to_validate_and_trains(tmp_path: Path) -> None:
    relations = {
        ("audiobook", "co_listened", "audiobook"): Relation.from_edges(
            3, np.array([0, 1]), np.array([1, 0]), np.ones(2)
        ),
        ("podcast", "co_listened", "audiobook"): Relation.empty(3),
        ("audiobook", "co_listened", "podcast"): Relation.empty(0),
        ("podcast", "co_listened", "podcast"): Relation.empty(0),
    }
    graph = CoListeningGraph({"audiobook": 3, "podcast": 0}, relations, "ids")
    result = train_hgnn(graph, np.eye(3, 4, dtype=np.float32), **of_hgnn(chosen()), out=tmp_path)
    assert result.best_loss is None
    assert result.best_step == result.steps == 24
    assert "validation_loss" not in result.curve[0]


def test_training_stops_when_nothing_improves(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path
) -> None:
    settings = chosen(max_steps=2000, evaluate_every=2, patience=2, learning_rate=0.1)
    result = train_hgnn(graph, text, **of_hgnn(settings), out=tmp_path)
    assert result.steps < 2000
    assert result.best_step == result.steps - 4


def test_bad_inputs_are_refused(graph: CoListeningGraph, text: np.ndarray, tmp_path: Path) -> None:
    broken = text.copy()
    broken[3, 0] = np.nan
    with pytest.raises(TrainingError, match="finite"):
        train_hgnn(graph, broken, **of_hgnn(chosen()), out=tmp_path)
    with pytest.raises(TrainingError, match="one row per item"):
        train_hgnn(graph, text[1:], **of_hgnn(chosen()), out=tmp_path)
    with pytest.raises(TrainingError, match=r"hgnn\.fanouts"):
        train_hgnn(graph, text, **of_hgnn(chosen(layers=3)), out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("harm", ["missing", "weights", "card", "format", "mixed"])
def test_a_damaged_model_is_refused(
    graph: CoListeningGraph, text: np.ndarray, tmp_path: Path, harm: str
) -> None:
    folder = train_hgnn(graph, text, **of_hgnn(chosen(max_steps=4)), out=tmp_path / "model").folder
    card, weights = folder / "hgnn.json", folder / "hgnn.safetensors"
    if harm == "missing":
        card.unlink()
    elif harm == "weights":
        weights.write_bytes(weights.read_bytes()[:-9])
    elif harm == "card":
        card.write_text("{")
    elif harm == "format":
        card.write_text(json.dumps({**json.loads(card.read_text()), "format": 99}))
    else:
        other = train_hgnn(
            graph, text, **of_hgnn(chosen(max_steps=3)), out=tmp_path / "other"
        ).folder
        weights.write_bytes((other / "hgnn.safetensors").read_bytes())
    with pytest.raises(TrainingError):
        load_hgnn(folder)
    # Training again repairs it.
    assert train_hgnn(graph, text, **of_hgnn(chosen(max_steps=4)), out=folder).steps == 4
    load_hgnn(folder)
