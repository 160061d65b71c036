"""The exported user tower as everything but training sees it: ONNX Runtime, no torch.

Evaluation, the release and the service answer through this one class, so what was measured is
what is served.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from colisten.errors import ReleaseError
from colisten.features.transform import UserFeatureSpec, encode_users
from colisten.features.users import UserBatch
from colisten.json_files import read_mapping

_ROWS = 4096


class OnnxUserTower:
    """A towers folder, ready to turn users into vectors.

    Attributes:
        spec: Meaning of the tower's input.
        history_vectors: float32 [num_items, spec.vector_dim], memory-mapped.
        item_vectors: float32 [num_target, dim] unit rows, memory-mapped.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Open `folder` (see docs/architecture.md, towers folder).

        Raises:
            ReleaseError: A file is missing or unreadable, or the parts do not fit each other.
        """
        try:
            spec = read_mapping(folder / "spec.json")["user"]
            self.spec = UserFeatureSpec.model_validate(spec)
            # Plain views of the mapped files: a `memmap` costs more at every index and product.
            self.history_vectors, self.item_vectors = (
                np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
                for name in ("history_vectors", "item_vectors")
            )
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(
                (folder / "user_tower.onnx").read_bytes(),
                options,
                providers=["CPUExecutionProvider"],
            )
        except (OSError, KeyError, ValueError, EOFError, RuntimeError) as error:
            raise ReleaseError(f"Cannot read the towers in {folder}: {error}.") from error
        if self.history_vectors.shape[1] != self.spec.vector_dim:
            raise ReleaseError(
                f"History vectors in {folder} have {self.history_vectors.shape[1]} columns, "
                f"the tower was trained on {self.spec.vector_dim}."
            )

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.item_vectors.shape[1])

    def user_vectors(self, batch: UserBatch) -> NDArray[np.float32]:
        """Unit vectors of B users, float32 [B, dim]."""
        if len(batch) <= _ROWS:
            return self.from_features(encode_users(self.spec, batch, self.history_vectors))
        out = np.empty((len(batch), self.dim), dtype=np.float32)
        for start in range(0, len(batch), _ROWS):
            rows = np.arange(start, min(start + _ROWS, len(batch)))
            features = encode_users(self.spec, batch.take(rows), self.history_vectors)
            out[rows] = self.from_features(features)
        return out

    def from_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Unit vectors of encoded users [B, spec.width], float32 [B, dim]."""
        (vectors,) = self._session.run(["vectors"], {"features": features})
        return np.asarray(vectors, dtype=np.float32)
