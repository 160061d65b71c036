"""Two `torchrun` processes train as one with the doubled batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import TrainingError
from colisten.graph.graph import CoListeningGraph
from colisten.settings.sections import HGNNSettings
from colisten.settings.tree import Settings
from colisten.training.distributed import world
from colisten.training.hgnn import train_hgnn
from tests.graph.sections import of_hgnn
from tests.sampling.graphs import random_graph
from tests.sampling.test_temporal import dated

STEPS = 30


def chosen(batch_size: int) -> Settings:
    """In-batch negatives stay within 32 pairs, so what a pair competes with is the same."""
    options = HGNNSettings(
        dim=16,
        fanouts=(4, 3),
        batch_size=batch_size,
        in_batch=32,
        max_steps=STEPS,
        evaluate_every=5,
        patience=100,
    )
    return Settings(threads=1, hgnn=options)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    graph = dated(random_graph(60, 60, 4000, seed=1), 1000, 1)
    graph.save(folder / "graph")
    text = np.random.default_rng(0).normal(size=(120, 12)).astype(np.float32)
    np.save(folder / "text.npy", text)
    return folder


def launch(inputs: Path, settings: Settings, out: Path, processes: int) -> list[dict[str, float]]:
    file = out.with_suffix(".json")
    file.write_text(settings.to_json())
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(processes), "--local-addr", "127.0.0.1"),
        *("-m", "colisten.training.launch", "--graph", str(inputs / "graph")),
        *("--text", str(inputs / "text.npy"), "--settings", str(file), "--out", str(out)),
    ]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    curve: list[dict[str, float]] = json.loads((out / "curve.json").read_text())
    return curve


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one_with_the_doubled_batch(
    inputs: Path, tmp_path: Path
) -> None:
    """To 1e-5: sums of floats in another order are all that differs."""
    graph = CoListeningGraph.load(inputs / "graph")
    text = np.load(inputs / "text.npy")
    alone = train_hgnn(graph, text, **of_hgnn(chosen(64)), out=tmp_path / "one")
    together = launch(inputs, chosen(32), tmp_path / "two", 2)
    assert len(together) == len(alone.curve) == STEPS // 5
    for one, two in zip(alone.curve, together, strict=True):
        assert two["step"] == one["step"]
        assert two["validation_loss"] == pytest.approx(one["validation_loss"], abs=1e-5)
    apart = train_hgnn(graph, text, **of_hgnn(chosen(32)), out=tmp_path / "half")
    assert abs(apart.curve[-1]["validation_loss"] - together[-1]["validation_loss"]) > 1e-3


def test_cuda_is_not_promised_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(TrainingError, match="no CUDA device"), world("cuda"):
        pass
    with world("auto") as alone:
        assert (alone.rank, alone.size, alone.device.type) == (0, 1, "cpu")
        assert alone.agree(True)
