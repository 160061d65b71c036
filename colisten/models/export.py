"""Towers on disk: the folder that a release carries and the service answers from."""

from __future__ import annotations

from colisten.extras import needs

needs("torch", "onnx")

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from colisten.errors import TrainingError
from colisten.features.transform import UserFeatureSpec
from colisten.files import write_aside
from colisten.json_files import read_mapping, write_json
from colisten.models.choices import Choice, write_choices
from colisten.models.items import ItemFeatureSpec
from colisten.models.towers import Tower, TwoTowers, tower_vectors

PARITY = 1e-5
# What ONNX Runtime 1.12 and later, and the Triton images of the last years, can read.
_OPSET = 17


def export_towers(
    out: Path,
    *,
    towers: TwoTowers,
    user_spec: UserFeatureSpec,
    item_spec: ItemFeatureSpec,
    item_vectors: NDArray[np.float32],
    history_vectors: NDArray[np.float32],
    curve: Sequence[Mapping[str, float]],
    choices: tuple[Choice, ...] = (),
    user_features: NDArray[np.float32],
    item_features: NDArray[np.float32],
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
        choices: What the training chose between.
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
            write_onnx(tower, file)
            check_parity(tower, file, features)
        weights = {name: value.contiguous() for name, value in sorted(towers.state_dict().items())}
        save_file(weights, folder / "towers.safetensors")
        np.save(folder / "item_vectors.npy", item_vectors.astype(np.float32, copy=False))
        np.save(folder / "history_vectors.npy", history_vectors.astype(np.float32, copy=False))
        knn_term = towers.user.knn_term
        spec = {
            "dim": towers.user.dim,
            "knn_blocks": list(knn_term.blocks) if knn_term else [],
            "members": towers.members,
            "taste_dim": towers.user.taste_dim,
            "temperature": towers.temperature.tolist(),
            "user": user_spec.model_dump(mode="json"),
            "item": item_spec.model_dump(mode="json"),
        }
        write_json(folder / "spec.json", spec, indent=1, finite=True)
        entries = [dict(sorted(entry.items())) for entry in curve]
        if choices:
            write_choices(folder, choices)
        write_json(folder / "curve.json", entries, indent=1, finite=True)


def read_specs(folder: Path) -> tuple[UserFeatureSpec, ItemFeatureSpec]:
    """Both feature specifications of a towers folder; needs no torch model."""
    spec = read_mapping(folder / "spec.json")
    return UserFeatureSpec.model_validate(spec["user"]), ItemFeatureSpec.model_validate(
        spec["item"]
    )


def write_onnx(tower: Tower, file: Path) -> None:
    """Write a tower: `features` [B, input_width] float32 to unit `vectors` [B, dim], any B.

    Dropout is left out, standardisation is in. Equal weights give equal bytes under one version of
    torch: what the exporter says of itself is taken out.
    """
    with warnings.catch_warnings():
        # The exporter that torch prefers needs onnxscript, and its bytes change with that too. The
        # check of shapes in `forward` is left out of the graph; ONNX Runtime has its own.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower,
            (torch.zeros(2, tower.input_width),),
            file,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["features"],
            output_names=["vectors"],
            dynamic_axes={"features": {0: "B"}, "vectors": {0: "B"}},
        )
    model = onnx.load(file)
    model.graph.name, model.producer_name, model.producer_version = file.stem, "colisten", ""
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = tower.dim
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString(deterministic=True))


def check_parity(tower: Tower, file: Path, features: NDArray[np.float32]) -> float:
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
