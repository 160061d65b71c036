"""Both towers of a release as serving runs them, and their scores as logits.

Served vectors are of unit length, so an inner product is a logit of the trained softmax only up to
a factor of each user. The factor can be read off the vectors: beside a unit taste a vector holds
popularity and more, all scaled to length one, so the length of its taste part is the scale
(see `colisten.models.towers`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from safetensors import SafetensorError, safe_open

from colisten.errors import ReleaseError
from colisten.features.transform import UserFeatureSpec
from colisten.json_files import read_mapping
from colisten.models.items import ItemFeatureSpec

_ROWS = 4096
_TINY = 1e-12


class ServedTowers:
    """The ONNX towers of a towers folder.

    Attributes:
        user_spec: Meaning of the user tower's input.
        item_spec: Meaning of the item tower's input.
        temperature: Of the softmax the towers were trained with.
        taste_dim: Leading columns of a vector that hold the taste.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Open `folder` (see docs/architecture.md, towers folder).

        Raises:
            ReleaseError: A file is missing or unreadable.
        """
        try:
            spec = read_mapping(folder / "spec.json")
            self.user_spec = UserFeatureSpec.model_validate(spec["user"])
            self.item_spec = ItemFeatureSpec.model_validate(spec["item"])
            self.temperature = float(spec["temperature"])
            with safe_open(folder / "towers.safetensors", "numpy") as weights:
                self.taste_dim = int(weights.get_slice("item.out.weight").get_shape()[0])
            self._user = _session(folder / "user_tower.onnx", threads)
            self._item = _session(folder / "item_tower.onnx", threads)
        except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
            raise ReleaseError(f"Cannot read the towers in {folder}: {error}.") from error

    def users(self, features: np.ndarray) -> np.ndarray:
        """Unit vectors [B, dim] of encoded users [B, user_spec.width], float32."""
        return _run(self._user, features)

    def items(self, features: np.ndarray) -> np.ndarray:
        """Unit vectors [n, dim] of encoded items [n, item_spec.width], float32."""
        return _run(self._item, features)

    def taste(self, vectors: np.ndarray) -> np.ndarray:
        """The taste part of vectors [n, dim], unit length again, float32 [n, taste_dim]."""
        part = np.asarray(vectors[:, : self.taste_dim], dtype=np.float32)
        unit: np.ndarray = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), _TINY)
        return unit

    def logits(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """What the softmax of training is taken over, float32 [B, n].

        The order of a user's items is that of the inner products.

        Args:
            users: Unit vectors [B, dim].
            items: Unit vectors [n, dim].
        """
        scaled = [
            part
            / np.maximum(np.linalg.norm(part[:, : self.taste_dim], axis=1, keepdims=True), _TINY)
            for part in (users, items)
        ]
        logits: np.ndarray = (scaled[0] / np.float32(self.temperature)) @ scaled[1].T
        return logits


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        file.read_bytes(), options, providers=["CPUExecutionProvider"]
    )


def _run(session: onnxruntime.InferenceSession, features: np.ndarray) -> np.ndarray:
    blocks = [
        session.run(["vectors"], {"features": features[start : start + _ROWS]})[0]
        for start in range(0, max(len(features), 1), _ROWS)
    ]
    return np.concatenate(blocks, dtype=np.float32)
