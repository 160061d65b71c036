"""Small real payloads: ONNX towers made by hand, vectors that follow the planted tastes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.compute as pc
from onnx import TensorProto, helper, numpy_helper

from colisten.data.catalogue import Catalogue
from colisten.data.interactions import read_interactions
from colisten.features.transform import UserFeatureSpec
from colisten.features.users import UserBatch
from colisten.release.manifest import shaping_settings
from colisten.release.payload import assemble_payload
from colisten.settings.tree import Settings
from tests.conftest import FIELDS, POPULARITY

TYPES = ("audiobook", "podcast")
DIM, HISTORY_DIM, MUSIC_DIM = 8, 6, 4


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def write_tower(file: Path, weights: np.ndarray) -> None:
    """features [B, width] x weights [width, dim], to unit length."""
    nodes = [
        helper.make_node("MatMul", ["features", "w"], ["x"]),
        helper.make_node("ReduceL2", ["x"], ["n"], axes=[1], keepdims=1),
        helper.make_node("Max", ["n", "e"], ["safe"]),
        helper.make_node("Div", ["x", "safe"], ["vectors"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tower",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", len(weights)])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["B", weights.shape[1]])],
        [
            numpy_helper.from_array(weights.astype(np.float32), "w"),
            numpy_helper.from_array(np.float32(1e-12), "e"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString(deterministic=True))


def feature_rows(history: Path, as_of: datetime, users: int = 12) -> pa.Table:
    """Rows as the feature store gives them, straight from the events."""
    events = read_interactions(history, as_of=as_of)
    rows = []
    for user in sorted(set(events.column("user_id").to_pylist()))[:users]:
        row: dict[str, Any] = {"user_id": user, "country": "SE", "age": 30.0}
        row["music_vector"] = [0.1, 0.2, 0.3, 0.4] if user[-1] != "3" else None
        own = events.filter(pc.equal(events.column("user_id"), user))
        for name in TYPES:
            part = own.filter(pc.equal(own.column("item_type"), name))
            row[f"{name}_item_ids"] = part.column("item_id").to_pylist()
            row[f"{name}_signals"] = part.column("signal").to_pylist()
            row[f"{name}_times"] = part.column("timestamp").to_pylist()
        rows.append(row)
    stamp = pa.list_(pa.timestamp("us", tz="UTC"))
    schema = [
        ("user_id", pa.string()),
        ("country", pa.string()),
        ("age", pa.float32()),
        ("music_vector", pa.list_(pa.float32())),
    ]
    for name in TYPES:
        schema += [
            (f"{name}_item_ids", pa.list_(pa.string())),
            (f"{name}_signals", pa.list_(pa.string())),
            (f"{name}_times", stamp),
        ]
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


@dataclass(frozen=True)
class Parts:
    """What a model path leaves for a release."""

    history: Path
    towers: Path
    hgnn: Path
    graph: Path
    catalogue: Catalogue
    rows: pa.Table
    as_of: datetime

    def payload(self, out: Path, settings: Settings | None = None, **changes: Any) -> Path:
        settings = settings or Settings()
        arguments: dict[str, Any] = {
            "catalogue": self.catalogue,
            "data": settings.data,
            "history": self.history,
            "towers": self.towers,
            "hgnn": self.hgnn,
            "graph": self.graph,
            "metrics": metrics(0.3),
            "shaping": shaping_settings(settings),
            "threads": 2,
            "as_of": self.as_of,
            "popularity": POPULARITY,
        }
        return assemble_payload(out, **{**arguments, **changes})


def make_parts(folder: Path, history: Path, as_of: datetime, *, seed: int = 0) -> Parts:
    """Parts of one generation; another seed is another generation."""
    rng = np.random.default_rng(seed)
    catalogue = Catalogue.read(history)
    taste = np.array(
        [(int(i[1:]) if i[1:].isdecimal() else len(i)) % 2 for i in catalogue.item_ids]
    )
    history_vectors = rng.normal(scale=0.3, size=(len(catalogue), HISTORY_DIM))
    history_vectors[:, 0] += np.where(taste, 2.0, -2.0)
    history_vectors[-1] = 0.0  # an item without text or graph
    rows = feature_rows(history, as_of)
    batch = UserBatch.from_table(rows, catalogue.index_of, FIELDS)
    spec = UserFeatureSpec.fit(
        batch, Settings().data, Settings().features, vector_dim=HISTORY_DIM, types=TYPES
    )
    weights = rng.normal(scale=0.02, size=(spec.width, DIM))
    for name in TYPES:
        at = spec.names().index(f"{name}_mean_0")
        weights[at : at + HISTORY_DIM] += np.eye(HISTORY_DIM, DIM)
    target = catalogue.slice_of("audiobook")
    items = np.zeros((target.stop - target.start, DIM))
    items[:, :HISTORY_DIM] = history_vectors[target]

    towers, hgnn, graph = folder / "towers", folder / "hgnn", folder / "graph"
    for part in (towers, hgnn, graph):
        part.mkdir(parents=True)
    write_tower(towers / "user_tower.onnx", weights)
    write_tower(towers / "item_tower.onnx", rng.normal(size=(HISTORY_DIM, DIM)))
    (towers / "towers.safetensors").write_bytes(rng.bytes(64))
    (towers / "spec.json").write_text(json.dumps({"user": spec.model_dump(mode="json")}))
    np.save(towers / "item_vectors.npy", unit(items))
    np.save(towers / "history_vectors.npy", history_vectors.astype(np.float32))
    (hgnn / "hgnn.safetensors").write_bytes(rng.bytes(64))
    (hgnn / "hgnn.json").write_text("{}")
    (graph / "graph.json").write_text(json.dumps({"digest": "0" * 64}))
    return Parts(history, towers, hgnn, graph, catalogue, rows, as_of)


def metrics(
    hits: float,
    *,
    width: float = 0.02,
    coverage: float = 0.4,
    chance: float = 0.05,
    users: int = 500,
    mrr: tuple[float, float] = (0.2, 0.02),
) -> dict[str, Any]:
    """An evaluation table as JSON values; `mrr` is that of the model and of a random list.

    Popularity is as good as the model.
    """

    def row(model: str, value: float, reach: float, first: float) -> dict[str, Any]:
        found = {"value": value, "low": value - width, "high": value + width}
        covered, found_first = ({"value": one, "low": None, "high": None} for one in (reach, first))
        return {
            "model": model,
            "slice": "all",
            "users": users,
            "metrics": {"HR@10": found, "MRR": found_first, "coverage": covered},
        }

    def level(metric: str) -> dict[str, Any]:
        names = {"model": "2T-HGNN", "against": "popularity", "slice": "all", "metric": metric}
        return {**names, "value": 0.0, "low": -width, "high": width, "p": 1.0}

    return {
        "subject": "2T-HGNN",
        "k": 10,
        "users": {"all": users, "warm": users, "cold": 0},
        "rows": [
            row("random", chance, 1.0, mrr[1]),
            row("2T-HGNN", hits, coverage, mrr[0]),
            row("popularity", hits, 0.01, mrr[0]),
        ],
        "differences": [level("HR@10"), level("MRR")],
    }
