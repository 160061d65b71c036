"""A Triton model repository: one model a release, `user_tower_<release_id>/1`.

    user_tower_r25913c9e6b3309d7/
        config.pbtxt                the backend that is asked for
        configs/onnxruntime.pbtxt   the others, for `tritonserver --model-config-name=onnxruntime`
        1/model.onnx                the release's user_tower.onnx
        1/model.py                  what the Python backend runs it by

A release is another model and never another version of one: versions under one name change
unasked, and a request would not know which one answered.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from colisten.errors import ReleaseError, TowerError
from colisten.files import file_digest, write_aside
from colisten.release.manifest import Manifest
from colisten.settings.triton import TritonBackend, TritonSettings
from colisten.triton import tower_source
from colisten.words import known_word

TOWER = "user_tower.onnx"
INPUT, OUTPUT = "features", "vectors"
BACKENDS: tuple[TritonBackend, ...] = ("python", "onnxruntime")
_MODEL = "1/model.onnx"
_SOURCE = "1/model.py"


def model_name(release_id: str) -> str:
    """The model of a release."""
    return f"user_tower_{release_id}"


@dataclass(frozen=True)
class ModelConfig:
    """What a config.pbtxt says.

    Attributes:
        name: Of the model.
        width: Length of a user's features.
        dim: Length of a vector.
        batch: Most rows at once.
        queue: Requests that may wait.
        wait_ms: How long one may wait before it is rejected.
    """

    name: str
    width: int
    dim: int
    batch: int
    queue: int
    wait_ms: int

    @classmethod
    def of(cls, manifest: Manifest, settings: TritonSettings) -> ModelConfig:
        """The configuration of a release's model."""
        return cls(
            name=model_name(manifest.release_id),
            width=manifest.dims["user_features"],
            dim=manifest.dims["vectors"],
            batch=settings.batch,
            queue=settings.queue,
            wait_ms=settings.deadline_ms,
        )

    def text(self, backend: TritonBackend) -> str:
        """The file. What waits longer than its caller does is rejected, not computed for nobody."""
        return f"""\
name: "{self.name}"
backend: "{known_word("triton.backend", backend, BACKENDS)}"
max_batch_size: {self.batch}
input [ {{ name: "{INPUT}" data_type: TYPE_FP32 dims: [ {self.width} ] }} ]
output [ {{ name: "{OUTPUT}" data_type: TYPE_FP32 dims: [ {self.dim} ] }} ]
instance_group [ {{ count: 1 kind: KIND_CPU }} ]
dynamic_batching {{
  max_queue_delay_microseconds: 0
  default_queue_policy {{
    timeout_action: REJECT
    default_timeout_microseconds: {self.wait_ms * 1000}
    allow_timeout_override: true
    max_queue_size: {self.queue}
  }}
}}
parameters {{ key: "intra_op_thread_count" value {{ string_value: "1" }} }}
"""


class ModelRepository:
    """The folder of models that a Triton server reads.

    Args:
        folder: It; made where it is missing.
        settings: How its models are configured.
    """

    def __init__(self, folder: Path, settings: TritonSettings) -> None:
        self.folder = folder
        self._settings = settings

    @classmethod
    def of(cls, home: Path, settings: TritonSettings) -> ModelRepository:
        """That of an output folder, or the one that the settings name."""
        named = settings.repository
        return cls(home / "triton" / "models" if named is None else Path(named), settings)

    def write(self, release: Path, manifest: Manifest) -> str:
        """Make sure that a release's model is there, whole; what is right already is left alone.

        Args:
            release: A folder with the release's user_tower.onnx.
            manifest: Of that release.

        Returns:
            The model's name.

        Raises:
            ReleaseError: The tower is missing or differs from its digest.
            TowerError: The repository cannot be written.
        """
        name = model_name(manifest.release_id)
        folder = self.folder / name
        texts = self._texts(manifest)
        digest = manifest.files[TOWER].sha256
        if _whole(folder, texts, digest):
            return name
        try:
            with write_aside(folder) as aside:
                for file, text in texts.items():
                    (aside / file).parent.mkdir(parents=True, exist_ok=True)
                    (aside / file).write_text(text)
                shutil.copyfile(release / TOWER, aside / _MODEL)
                if file_digest(aside / _MODEL) != digest:
                    raise ReleaseError(
                        f"{release / TOWER} differs from its digest.", "Publish the release again."
                    )
        except OSError as error:
            raise TowerError(
                f"Cannot write the model {name} to {self.folder}: {error}.",
                "Write it with `colisten triton write` where that folder can be written.",
            ) from error
        return name

    def _texts(self, manifest: Manifest) -> dict[str, str]:
        config = ModelConfig.of(manifest, self._settings)
        others = [backend for backend in BACKENDS if backend != self._settings.backend]
        return {
            "config.pbtxt": config.text(self._settings.backend),
            **{f"configs/{backend}.pbtxt": config.text(backend) for backend in others},
            _SOURCE: tower_source(),
        }


def _whole(folder: Path, texts: dict[str, str], digest: str) -> bool:
    try:
        same = all((folder / name).read_text() == text for name, text in texts.items())
        return same and file_digest(folder / _MODEL) == digest
    except (OSError, UnicodeDecodeError):
        return False
