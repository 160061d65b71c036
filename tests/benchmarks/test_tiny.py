"""Every benchmark runs: here at a size that measures nothing but whether it does."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from benchmarks import (
    balance,
    drift_causes,
    drift_volume,
    events,
    experiment_report,
    false_alarms,
    five_days,
    graph_build,
    graph_build_large,
    growth,
    index_size,
    kernels,
    lift_truth,
    links,
    loader_step,
    online_events,
    pairs,
    price,
    public,
    pyg_rival,
    reruns,
    robustness,
    scale,
    score_truth,
    sequential,
    serving_arms,
    serving_chaos,
    serving_faults,
    serving_homes,
    serving_http,
    serving_path,
    serving_soak,
    serving_swaps,
    threads,
    three_arms,
    worlds,
)
from benchmarks.__main__ import BENCHMARKS
from benchmarks.alone import measured
from benchmarks.graphs import random_graph
from benchmarks.public_sets import FOOD_KITCHEN, Cut
from colisten.index import open_index
from colisten.release.store import ReleaseStore
from colisten.sampling.supervision import SupervisedEdges
from colisten.settings.sections import HGNNSettings
from colisten.settings.tree import load_settings
from colisten.simulator import WorldSettings, simulate
from tests.conftest import ServedHome

NODES = {"audiobook": 60, "podcast": 120}
PAIRS = {
    ("audiobook", "audiobook"): 150,
    ("audiobook", "podcast"): 300,
    ("podcast", "podcast"): 600,
}
SMALL = HGNNSettings(dim=8, fanouts=(3, 2), batch_size=16, in_batch=16)
WORLD = WorldSettings(users=80, audiobooks=40, podcasts=40, days=40, author_taste=0.5)
QUICK = (
    "hgnn.dim=8",
    "hgnn.max_steps=2",
    "hgnn.batch_size=64",
    "cross_fitting.folds=2",
    "towers.dim=8",
    "towers.hidden=[8]",
    "towers.epochs=1",
    "towers.min_steps=0",
    "evaluation.bootstrap=20",
    "evaluation.baselines=false",
    "index.backend=exact",
    "text.max_chars=40",
)
STEP_LOGGED = '{"steps": 2, "step_ms": 3.5, "event": "HGNN trained", "level": "info"}'
TINY = public.Measurement(replace(FOOD_KITCHEN, name="tiny"), Cut("2025-06-16", 14))
SIZES: dict[ModuleType, dict[str, Any]] = {
    events: {"AUDIOBOOKS": 200, "PODCASTS": 800},
    graph_build: {"USERS": 100, "EVENTS": 2_000},
    graph_build_large: {"SIZES": ((50, 500), (100, 2_000))},
    pairs: {"COUNTED": 2},
    growth: {
        "WORLD": WORLD,
        "USERS": 80,
        "FACTORS": (1,),
        "SETTINGS": load_settings(None, QUICK),
    },
    worlds: {"WORLD": WORLD, "SEEDS": (0,), "ROWS": (), "SETTINGS": QUICK},
    # A run by Kubeflow's runner takes a minute; `told` has a test of its own.
    reruns: {"WORLD": WORLD, "VARIANTS": {}},
    price: {"COMMANDS": {"demo": ("settings", "--json")}},
    links: {"WORLD": WORLD, "SEEDS": (0,), "SETTINGS": QUICK},
    robustness: {
        "WORLD": WORLD,
        "VARIANTS": dict([*robustness.VARIANTS.items()][-1:]),
        "SETTINGS": load_settings(None, QUICK),
    },
    public: {
        "SEEDS": 2,
        "SETTINGS": load_settings(None, QUICK),
    },
    threads: {
        "WORLD": WORLD,
        "SETTINGS": QUICK,
        "BESIDE": {"alone": 0},
        # What a run's log says is read in `test_release_pipeline`: a run takes most of a minute.
        "DOORS": {"library": lambda *_: [sys.executable, "-c", f"print({STEP_LOGGED!r})"]},
    },
    serving_path: {
        "WORLD": WORLD,
        "SETTINGS": (*QUICK, *serving_path.SETTINGS[-4:]),
        "ROUNDS": 1,
        "ASKED": 5,
        "TOP": 20,
    },
    serving_homes: {"LARGE": 100},
    serving_http: {
        "WAYS": serving_http.WAYS[:2],
        "WORKERS": 1,
        "CONNECTIONS": (1, 2),
        "SECONDS": 0.3,
        "PACE_SECONDS": 0.3,
        "WARM_SECONDS": 0.1,
        "STEPS": 1,
        "RECALL_USERS": 2,
        "STAGE_USERS": 2,
        "TOP": 20,
    },
    serving_swaps: {"WORKERS": 1, "USERS": 5, "SECONDS": 3.0, "EVERY": 1.5},
    serving_arms: {"REQUESTS": 60, "FLUSH_SECONDS": 0.2},
    serving_soak: {
        "WORKERS": 1,
        "SECONDS": {"250k": 1.5},
        "SAMPLE_SECONDS": 0.3,
        "STARTS": 1,
    },
    serving_chaos: {
        "SCENES": {"exact": (serving_faults.fill_disk,)},
        "WORKERS": 1,
        "PACE": 20.0,
        "BEFORE": 1.0,
        "DURING": 1.5,
        "AFTER": 2.0,
    },
    index_size: {"SIZES": (30, 150), "ASKED": 3, "TOP": 20, "LITE_ITEMS": 100},
    score_truth: {"WORLD": WORLD, "SEEDS": (0,), "SETTINGS": QUICK},
    drift_causes: {"WORLDS": 1, "WEEKS": 2, "SEEDS": 1, "BEFORE": 1},
    drift_volume: {
        "ROWS": 300,
        "RIVAL_ROWS": (200,),
        "NUMBERS": 2,
        "TEXTS": 2,
        "MOVED": 1,
        "_PART": 100,
        "alone": measured,
    },
    experiment_report: {"USERS": 300, "alone": measured},
    false_alarms: {"WORLD": WORLD, "RUNS": 20},
    lift_truth: {"WORLD": WORLD, "RUNS": 5, "PLAYED": 1},
    three_arms: {"WORLD": WORLD, "SETTINGS": QUICK},
    online_events: {
        "WORLD": WORLD,
        "SMALL": (*QUICK, "features.history_length=50"),
        "STORES": ("sqlite",),
        "USERS": 3,
        "EVENTS": 30,
        "WORKERS": 1,
        "SHELVES": 3,
    },
    kernels: {"NODES": NODES, "PAIRS": PAIRS, "SEEDS": 20, "SOURCES": 90, "ROWS": 30, "DIM": 8},
    loader_step: {"NODES": NODES, "PAIRS": PAIRS, "DIM": 8, "BATCH": 16},
    balance: {"NODES": NODES, "PAIRS": PAIRS, "STEPS": 3, "SEEDS": 2, "OPTIONS": SMALL},
    scale: {
        "PARTS": {"tenth": 2, "whole": 1},
        "NODES": NODES,
        "PAIRS": PAIRS,
        "OPTIONS": SMALL,
        "STEPS": 2,
        "RUNS": 2,
        # A process of its own, which `graph_build_large` shows, takes seconds to load torch.
        "alone": measured,
    },
}
WRITES = {
    graph_build: {"graph_build_pandas", "graph_build_scipy"},
    graph_build_large: {"graph_build_large"},
    kernels: {"kernel_sampling_uniform", "kernel_sampling_weighted", "kernel_aggregation_max"},
    balance: {"balance_epoch", "balance_quality"},
    scale: {"scale"},
    growth: {"growth"},
    worlds: {"worlds"},
    links: {"links"},
    price: {"price"},
    reruns: {"reruns"},
    threads: {"threads"},
    serving_path: {"serving_path"},
    index_size: {"index_size"},
    robustness: {"robustness"},
    online_events: {"online_events"},
    score_truth: {"score_truth"},
    drift_causes: {"drift_causes"},
    drift_volume: {"drift_volume"},
    experiment_report: {"experiment_report"},
    false_alarms: {"false_alarms"},
    lift_truth: {"lift_truth"},
    three_arms: {"three_arms"},
    serving_http: {"serving_http"},
    serving_swaps: {"serving_swaps"},
    serving_arms: {"serving_arms"},
    serving_soak: {"serving_soak"},
    serving_chaos: {"serving_chaos"},
    public: {TINY.name},
}
SERVED = {serving_http, serving_swaps, serving_arms, serving_soak, serving_chaos}
COMMITTED = {path.stem: json.loads(path.read_text()) for path in pairs.RESULTS.glob("*.json")}

# The public sets' files differ in nothing but the set and the cut.
COMMITTED[TINY.name] = COMMITTED["public_food_kitchen_2013-11-15"]

pytestmark = pytest.mark.slow


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go: not where the committed ones are."""
    for module, sizes in SIZES.items():
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(pairs, "RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@pytest.fixture(scope="session")
def trained_home(
    served_home: ServedHome, tiny_history: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What `serving_homes.trained` makes, of the releases that other tests have trained."""
    folder = tmp_path_factory.mktemp("homes")
    ignored = shutil.ignore_patterns("endpoint.json", "work", "exposures")
    shutil.copytree(served_home.folder, folder / "home", ignore=ignored)
    store = ReleaseStore(folder / "home")
    with open_index(folder / "home", serving_homes.EXACT) as index:
        for release_id in served_home.ids:
            store.republish(release_id, index)
    (folder / "home" / "others").touch()
    (folder / "world").symlink_to(tiny_history)
    return folder


@pytest.mark.parametrize("module", WRITES, ids=lambda module: module.__name__)
def test_it_runs_and_writes_what_is_committed(
    module: ModuleType,
    results: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if module in SERVED:
        monkeypatch.setenv(serving_homes.HOMES, str(request.getfixturevalue("trained_home")))
    if module is public:
        simulate(tmp_path / TINY.of.folder, WORLD)
        monkeypatch.setenv("COLISTEN_REAL_DATA", str(tmp_path))
    (TINY if module is public else module).run()
    written = {path.stem: json.loads(path.read_text()) for path in results.iterdir()}
    assert written.keys() == WRITES[module]
    for name, result in written.items():
        # What nobody has measured on an idle machine yet is not committed.
        assert result.keys() == COMMITTED.get(name, result).keys()
    if module in (worlds, links):
        assert written[module.NAME]["seeds"] == [*module.SEEDS]


def test_busy_processes_compute_for_as_long_as_they_are_wanted() -> None:
    def busy() -> list[psutil.Process]:
        children = psutil.Process().children()
        return [child for child in children if "while os.getppid()" in " ".join(child.cmdline())]

    with threads.busy_processes(2):
        deadline = time.monotonic() + 20
        # A process that has just been forked still bears its parent's name.
        while sum(sum(each.cpu_times()[:2]) > 0.1 for each in busy()) < 2:
            assert time.monotonic() < deadline, "they do nothing"
            time.sleep(0.05)
    assert busy() == []


def test_each_is_run_here() -> None:
    tried = {module.__name__ for module in (*WRITES, loader_step, sequential, five_days)}
    assert {run.__module__ for run in BENCHMARKS.values()} == tried


@pytest.mark.parametrize("aggregation", ["max", "weighted"])
def test_our_side_of_the_steps_runs_without_the_rival(results: Path, aggregation: str) -> None:
    graph = random_graph(NODES, PAIRS)
    step = loader_step.Step(graph, torch.randn(180, 8), SupervisedEdges.of(graph), aggregation)
    step.run(2)
    assert step.split.keys() == {
        "sampling_ms",
        "gather_ms",
        "forward_ms",
        "backward_and_update_ms",
    }


@pytest.mark.parametrize("weights", [False, True])
def test_the_rival_of_the_steps_learns(weights: bool) -> None:
    """Over the whole graph, which its loader would sample: that needs torch-sparse."""
    text = np.random.default_rng(0).standard_normal((180, 8), dtype=np.float32)
    data = random_graph(NODES, PAIRS).to_hetero_data(text)
    for name in data.edge_types if not weights else ():
        del data[name].edge_attr
    convolution = pyg_rival.by_weight(8) if weights else pyg_rival.maximum(8, project=True)
    model = pyg_rival.Model(list(data.edge_types), convolution)
    vectors = model(data)
    vectors["audiobook"].sum().backward()
    assert {name: len(rows) for name, rows in vectors.items()} == NODES
    assert all(each.grad is not None for each in list(model.parameters())[:2])
