"""The user tower inside Triton's Python backend: a model's `model.py`, copied as it is.

It runs in Triton's process and environment, which has numpy and ONNX Runtime and no colisten.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

# Must live as long as the capsules that are named so.
_TAKEN = b"used_dltensor"
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _taken(capsule: object) -> None:
    """Say that a capsule's tensor has a new owner, in the words that numpy knows.

    Triton 2.45 says it in words of its own, and numpy prints a trace for each capsule then.
    """
    _rename(capsule, _TAKEN)


class TritonPythonModel:
    """`features` float32 [B, width] to unit `vectors` [B, dim], any B up to `max_batch_size`."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the tower that lies beside this file; a failure fails the load."""
        # Triton's own module: there is none outside its process.
        import triton_python_backend_utils as backend

        self._backend = backend
        options = onnxruntime.SessionOptions()
        parameters = json.loads(args["model_config"]).get("parameters", {})
        threads = parameters.get("intra_op_thread_count", {}).get("string_value", "1")
        options.intra_op_num_threads = int(threads)
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            (Path(__file__).parent / "model.onnx").read_bytes(),
            options,
            providers=["CPUExecutionProvider"],
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer what Triton's batcher put together with one run of the tower."""
        given = [self._features(request) for request in requests]
        try:
            (vectors,) = self._session.run(["vectors"], {"features": np.concatenate(given)})
        except Exception as error:
            # One request of a width that is none of the tower's fails with those beside it.
            return [self._failed(error) for _ in requests]
        ends = np.cumsum([len(features) for features in given])
        parts = np.split(vectors, ends[:-1])
        return [self._answered(part) for part in parts]

    def _features(self, request: Any) -> np.ndarray:
        tensor = self._backend.get_input_tensor_by_name(request, "features")
        # `as_numpy` and `Tensor(name, array)` of older backends give empty tensors under numpy 2.
        return np.from_dlpack(tensor)

    def _answered(self, vectors: np.ndarray) -> Any:
        capsule = np.ascontiguousarray(vectors).__dlpack__()
        tensor = self._backend.Tensor.from_dlpack("vectors", capsule)
        _taken(capsule)
        return self._backend.InferenceResponse(output_tensors=[tensor])

    def _failed(self, error: Exception) -> Any:
        return self._backend.InferenceResponse(
            output_tensors=[], error=self._backend.TritonError(str(error))
        )
