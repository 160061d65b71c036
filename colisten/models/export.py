"""Towers on disk: the folder that a release carries and the service answers from.

The ONNX graphs are written node by node. An MLP takes ten kinds of line, and the bytes then depend
on the weights alone, not on the version of an exporter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from colisten.errors import TrainingError
from colisten.features.transform import UserFeatureSpec
from colisten.files import write_aside
from colisten.json_files import read_mapping, write_json
from colisten.models.items import ItemFeatureSpec
from colisten.models.knn_term import KnnTermLayout
from colisten.models.towers import CLIP, ItemTower, Tower, TwoTowers, UserTower, tower_vectors

PARITY = 1e-5
# What ONNX Runtime 1.12 and later, and the Triton images of the last years, can read.
_OPSET = 17
_IR_VERSION = 8
_EPSILON = 1e-12  # of torch.nn.functional.normalize


def export_towers(
    out: Path,
    *,
    towers: TwoTowers,
    user_spec: UserFeatureSpec,
    item_spec: ItemFeatureSpec,
    item_vectors: np.ndarray,
    history_vectors: np.ndarray,
    curve: Sequence[Mapping[str, float]],
    user_features: np.ndarray,
    item_features: np.ndarray,
) -> None:
    """Write a towers folder; it appears whole, replacing an older one, or not at all.

    Args:
        out: The folder.
        towers: Trained model.
        user_spec: Columns of the user tower.
        item_spec: Columns of the item tower.
        item_vectors: Unit vectors of the target type's items [n_target, dim].
        history_vectors: What user histories are means of [num_items, d].
        curve: One entry an epoch.
        user_features: Real inputs [n, user width] on which ONNX and torch must agree.
        item_features: Real inputs [n, item width] on which ONNX and torch must agree.

    Raises:
        TrainingError: The ONNX towers differ from the torch ones by more than 1e-5, or vectors
            are not finite.
    """
    if not (np.isfinite(item_vectors).all() and np.isfinite(history_vectors).all()):
        raise TrainingError(
            "Item vectors are not finite: training diverged.", "Lower towers.learning_rate."
        )
    with write_aside(out) as folder:
        folder.mkdir()
        for name, tower, features in (
            ("user_tower", towers.user, user_features),
            ("item_tower", towers.item, item_features),
        ):
            file = folder / f"{name}.onnx"
            file.write_bytes(tower_onnx(tower, name).SerializeToString(deterministic=True))
            check_parity(tower, file, features)
        weights = {name: value.contiguous() for name, value in sorted(towers.state_dict().items())}
        save_file(weights, folder / "towers.safetensors")
        np.save(folder / "item_vectors.npy", item_vectors.astype(np.float32, copy=False))
        np.save(folder / "history_vectors.npy", history_vectors.astype(np.float32, copy=False))
        spec = {
            "dim": towers.user.dim,
            "temperature": towers.temperature.item(),
            "user": user_spec.model_dump(mode="json"),
            "item": item_spec.model_dump(mode="json"),
        }
        write_json(folder / "spec.json", spec, indent=1, finite=True)
        entries = [dict(sorted(entry.items())) for entry in curve]
        write_json(folder / "curve.json", entries, indent=1, finite=True)


def read_specs(folder: Path) -> tuple[UserFeatureSpec, ItemFeatureSpec]:
    """Both feature specifications of a towers folder; needs no torch model."""
    spec = read_mapping(folder / "spec.json")
    return UserFeatureSpec.model_validate(spec["user"]), ItemFeatureSpec.model_validate(
        spec["item"]
    )


def tower_onnx(tower: Tower, name: str) -> onnx.ModelProto:
    """A tower as ONNX: `features` [B, input_width] float32 to unit `vectors` [B, dim], any B.

    Dropout is left out, standardisation is in.
    """
    nodes: list[onnx.NodeProto] = []
    weights: list[onnx.TensorProto] = []

    def constant(label: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), label))
        return label

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def parameters(layer: Any, label: str) -> list[str]:
        names = [constant(f"{label}.weight", layer.weight.detach().numpy())]
        if layer.bias is not None:
            names.append(constant(f"{label}.bias", layer.bias.detach().numpy()))
        return names

    def span(label: str, start: int, stop: int) -> list[str]:
        borders = {"starts": start, "ends": stop, "axes": 1}
        for name, value in borders.items():
            weights.append(numpy_helper.from_array(np.array([value], np.int64), f"{label}_{name}"))
        return [f"{label}_{name}" for name in borders]

    def unit(vector: str, label: str, output: str) -> str:
        norm = node("ReduceL2", [vector], f"{label}norm", axes=[1], keepdims=1)
        safe = node("Max", [norm, epsilon], f"safe_{label}norm")
        return node("Div", [vector, safe], output)

    epsilon = constant("epsilon", np.array(_EPSILON))
    read = "features"
    if tower.input_width != tower.width:
        read = node("Slice", ["features", *span("dense", 0, tower.width)], "dense_features")
    centred = node("Sub", [read, constant("mean", tower.mean.numpy())], "centred")
    scaled = node("Mul", [centred, constant("scale", tower.scale.numpy())], "scaled")
    low, high = constant("low", np.array(-CLIP)), constant("high", np.array(CLIP))
    x = node("Clip", [scaled, low, high], "standardised")
    h = x
    for at, layer in enumerate(tower.layers):
        dense = node("Gemm", [h, *parameters(layer, f"layers.{at}")], f"dense.{at}", transB=1)
        h = node("Relu", [dense], f"hidden.{at}")
    deep = node("Gemm", [h, *parameters(tower.out, "out")], "deep", transB=1)
    both = deep
    if tower.skip is not None:
        linear = node("Gemm", [x, *parameters(tower.skip, "skip")], "linear", transB=1)
        both = node("Add", [linear, deep], "sum")

    def cut(label: str, start: int, size: int) -> str:
        return node("Slice", ["features", *span(label, start, start + size)], label)

    def user_knn_term(knn_term: KnnTermLayout, factors: np.ndarray) -> list[str]:
        """The users' side of each block: weighted unit means, added up over the types."""
        parts = []
        for b, size in enumerate(knn_term.dims):
            heard = ""
            for t, starts in enumerate(knn_term.means):
                label = f"mean_{t}_{b}"
                mean = unit(cut(label, starts[b], size), f"{label}_", f"unit_{label}")
                factor = constant(f"knn_term_{t}_{b}", factors[t, b])
                weighed = node("Mul", [mean, factor], f"weighed_{t}_{b}")
                heard = node("Add", [heard, weighed], f"heard_{t}_{b}") if heard else weighed
            parts.append(heard)
        return parts

    def item_knn_term(knn_term: KnnTermLayout, centre: np.ndarray, one: str) -> list[str]:
        """The items' side of each block: the own vector about the catalogue's mean."""
        parts, start = [], 0
        for b, size in enumerate(knn_term.dims):
            middle = constant(f"centre_{b}", centre[start : start + size])
            about = node("Sub", [cut(f"own_{b}", knn_term.own[b], size), middle], f"about_{b}")
            there = node("Sub", [one, cut(f"absent_{b}", knn_term.absent[b], 1)], f"there_{b}")
            parts.append(node("Mul", [about, there], f"knn_term_{b}"))
            start += size
        return parts

    if not tower.side:
        unit(both, "", "vectors")
    else:
        tail = [unit(both, "taste_", "taste")]
        zero = constant("zero", np.array(0.0))
        if isinstance(tower, UserTower):
            if tower.prior_dim:
                deep_gate = node(
                    "Gemm", [h, *parameters(tower.prior, "prior")], "deep_gate", transB=1
                )
                skip = parameters(tower.prior_skip, "prior_skip")
                linear_gate = node("Gemm", [x, *skip], "linear_gate", transB=1)
                weights_of = node("Add", [linear_gate, deep_gate], "gate_sum")
                side_scale = constant("side_scale", tower.side_scale.numpy())
                tail.append(node("Mul", [weights_of, side_scale], "gate_part"))
            if tower.knn_term:
                tail += user_knn_term(
                    tower.knn_term, (tower.knn_weights * tower.side_scale).numpy()
                )
            # The last dimension is a zero, whatever is known of the user.
            tail.append(node("Mul", [cut("any_column", 0, 1), zero], "nothing"))
        elif isinstance(tower, ItemTower):
            one = constant("one", np.array(1.0))
            beside = []
            if tower.prior_dim:
                given = cut("log_popularity", tower.width, tower.prior_dim)
                level = constant("level", tower.level.numpy())
                beside.append(node("Sub", [given, level], "above_level"))
            if tower.knn_term:
                beside += item_knn_term(tower.knn_term, tower.knn_centre.numpy(), one)
            whole = node("Concat", beside, "beside", axis=1)
            shrunk = node(
                "Mul", [whole, constant("item_scale", tower.item_scale.numpy())], "shrunk"
            )
            length = node("ReduceSumSquare", [shrunk], "beside_length", axes=[1], keepdims=1)
            positive = node("Max", [node("Sub", [one, length], "rest"), zero], "positive_rest")
            tail += [shrunk, node("Sqrt", [positive], "filling")]
        unit(node("Concat", tail, "whole", axis=1), "whole_", "vectors")

    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", tower.input_width])],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["B", tower.dim])],
        weights,
    )
    model = helper.make_model(
        graph, producer_name="colisten", opset_imports=[helper.make_opsetid("", _OPSET)]
    )
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def check_parity(tower: Tower, file: Path, features: np.ndarray) -> float:
    """Compare a written ONNX tower with its torch original.

    Args:
        tower: The original.
        file: The ONNX file.
        features: Inputs [n, width]; all-zero and far-out rows are added to them.

    Returns:
        Largest absolute difference of any vector component.

    Raises:
        TrainingError: It exceeds 1e-5 or is not a number.
    """
    rng = np.random.default_rng(0)
    hard = rng.normal(scale=10.0, size=(8, tower.input_width)).astype(np.float32)
    inputs = np.concatenate([features, np.zeros((1, tower.input_width), np.float32), hard])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (served,) = session.run(["vectors"], {"features": inputs.astype(np.float32, copy=False)})
    difference = float(np.abs(served - tower_vectors(tower, inputs)).max())
    if not difference <= PARITY:
        raise TrainingError(
            f"{file.name} differs from the trained tower by {difference:.2g}, more than {PARITY}.",
            "Its vectors would not meet the index; do not publish them.",
        )
    return difference
