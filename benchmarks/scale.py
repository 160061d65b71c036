"""A graph of the paper's size on one small machine: stored, loaded, sampled, trained, embedded."""

from __future__ import annotations

import subprocess
import sys
import tempfile

from benchmarks.pairs import machine, write_result
from colisten.json_files import parse_json, to_json

FAN_OUTS, BATCH, STEPS, RUNS = (10, 5), 86, 40, 5

STORE = """
nodes = {"audiobook": 250_000 // part, "podcast": 3_500_000 // part}
pairs = {
    ("audiobook", "audiobook"): 2_100_000 // part,
    ("audiobook", "podcast"): 10_500_000 // part,
    ("podcast", "podcast"): 40_000_000 // part,
}
graph = random_graph(nodes, pairs)
graph.save(folder / "graph")
rng = np.random.default_rng(0)
shape = (graph.num_items, 384)
text = np.lib.format.open_memmap(folder / "text.npy", "w+", np.float16, shape)
for start in range(0, len(text), 65536):
    rows = rng.standard_normal((min(65536, len(text) - start), 384), dtype=np.float32)
    text[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
text.flush()
figures = {"items": graph.num_items, "directed_edges": graph.num_edges}
"""
TRAIN = """
graph = CoListeningGraph.load(folder / "graph")
text = np.load(folder / "text.npy", mmap_mode="r")
loaded = time.perf_counter()
edges = SupervisedEdges.of(graph)
loader = MultiLinkNeighborLoader(
    graph, options.fanouts, edges, batch_size=options.batch_size, weighted=True, num_workers=1
)
model = HGNN(384, graph.item_types, options)
objective = Objective(edges, options, text, torch.device("cpu"))
adam = torch.optim.Adam(model.parameters(), lr=1e-3)
ready = time.perf_counter()
speeds, seeds, inputs = [], 0, 0
batches = loader.dense(0)
since = time.perf_counter()
for step, batch in zip(range(runs * steps), batches):
    adam.zero_grad(set_to_none=True)
    loss = objective(model, batch)
    loss.backward()
    adam.step()
    seeds += batch.num_pairs
    inputs += len(batch.neighbourhood.inputs)
    if (step + 1) % steps == 0:
        speeds.append(seeds / (time.perf_counter() - since))
        seeds, since = 0, time.perf_counter()
figures = {
    "load_seconds": round(loaded - started, 2),
    "prepare_seconds": round(ready - loaded, 1),
    "steps": runs * steps,
    "seed_edges_per_second": [round(speed, 1) for speed in speeds],
    "inputs_per_step": inputs // (runs * steps),
    "loss": round(loss.item(), 4),
}
"""
EMBED = """
graph = CoListeningGraph.load(folder / "graph")
text = np.load(folder / "text.npy", mmap_mode="r")
model = HGNN(384, graph.item_types, options)
vectors = embed_catalogue(model, graph, text, folder / "z.npy")
assert vectors.shape == (graph.num_items, 128)
sample = np.asarray(vectors[:: max(1, len(vectors) // 1000)])
assert np.allclose(np.linalg.norm(sample, axis=1), 1, atol=1e-5)
figures = {"vectors": len(vectors)}
"""
AROUND = """
import resource, sys, time
from pathlib import Path
import numpy as np
import torch
from benchmarks.graphs import random_graph
from colisten.sections import HGNNSettings
from colisten.graph.graph import CoListeningGraph
from colisten.json_files import to_json
from colisten.models.catalogue import embed_catalogue
from colisten.models.hgnn import HGNN
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.training.hgnn.validation import Objective
folder, part, runs, steps = Path(sys.argv[1]), *map(int, sys.argv[2:5])
options = HGNNSettings(batch_size=int(sys.argv[5]), fanouts=tuple(map(int, sys.argv[6:])))
torch.set_num_threads(2)
torch.manual_seed(0)
started = time.perf_counter()
{body}
figures["seconds"] = round(time.perf_counter() - started, 1)
figures["peak_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
print(to_json(figures))
"""


def run() -> None:
    """Both sizes, each stage in a process of its own, so that its peak memory is its own."""
    sizes = {}
    for name, part in (("tenth", 10), ("whole", 1)):
        with tempfile.TemporaryDirectory() as folder:
            stages = {"store": STORE, "train": TRAIN, "embed": EMBED}
            sizes[name] = {stage: _child(body, folder, part) for stage, body in stages.items()}
        print(f"scale, {name}: {to_json(sizes[name])}")
    speeds = [
        sorted(sizes[name]["train"]["seed_edges_per_second"])[RUNS // 2]
        for name in ("whole", "tenth")
    ]
    write_result(
        "scale",
        {
            **machine(),
            "fan_outs": FAN_OUTS,
            "pairs_per_relation_and_batch": BATCH,
            "sizes": sizes,
            "speed_of_whole_over_tenth": round(speeds[0] / speeds[1], 3),
        },
    )


def _child(body: str, folder: str, part: int) -> dict[str, object]:
    numbers = [part, RUNS, STEPS, BATCH, *FAN_OUTS]
    done = subprocess.run(
        [sys.executable, "-c", AROUND.replace("{body}", body), folder, *map(str, numbers)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    figures: dict[str, object] = parse_json(done.stdout.splitlines()[-1])
    return figures
