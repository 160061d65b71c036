"""Going on after a kill: what a training run of the towers leaves behind after every epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.files import write_aside
from colisten.logs import logger
from colisten.models.items import ItemBlocks

Curve = list[dict[str, float]]

log = logger("towers")


class Checkpoint:
    """One folder with weights, optimiser state and learning curve after the last whole epoch.

    Args:
        folder: Where it lives; replaced as a whole after each epoch.
        inputs: `input_digest` of this run. A checkpoint of other inputs is ignored.

    Attributes:
        phase: Phase of the last whole epoch; None where there is nothing to go on from.
        epoch: Whole epochs of that phase.
        curve: Learning curve up to there, all phases.
    """

    def __init__(self, folder: Path, inputs: str) -> None:
        self.folder = folder
        self.inputs = inputs
        self.phase: str | None = None
        self.epoch = 0
        self.curve: Curve = []
        file = folder / "state.json"
        if not file.exists():
            return
        state = json.loads(file.read_text())
        if state["inputs"] != inputs:
            log.info("checkpoint of other inputs ignored", folder=str(folder))
            return
        self.phase, self.epoch, self.curve = state["phase"], state["epoch"], state["curve"]

    def restore(self, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Load weights and optimiser state; both must be built as in the run that saved them."""
        tensors = load_file(self.folder / "tensors.safetensors")
        model.load_state_dict(
            {name.removeprefix("model."): t for name, t in tensors.items() if name[:6] == "model."}
        )
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, number, key = name.split(".")
                moments.setdefault(int(number), {})[key] = tensor
        optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})

    def save(
        self,
        phase: str,
        epoch: int,
        curve: Curve,
        model: nn.Module,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        """Keep the state after a whole epoch; the one before it is replaced."""
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for number, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{key}": value for key, value in moments.items()}
        state = {"inputs": self.inputs, "phase": phase, "epoch": epoch, "curve": curve}
        with write_aside(self.folder) as aside:
            aside.mkdir()
            save_file(tensors, aside / "tensors.safetensors")
            (aside / "state.json").write_text(json.dumps(state))
        self.phase, self.epoch, self.curve = phase, epoch, curve


def input_digest(
    rows: pa.Table, catalogue: Catalogue, blocks: ItemBlocks, settings: Settings
) -> str:
    """SHA-256 of everything that shapes the towers."""
    digest = hashlib.sha256(settings.to_json().encode())
    for table in (rows, catalogue.table):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        digest.update(sink.getvalue())
    for array in (blocks.text, blocks.z, blocks.z_folds):
        if array is None:
            digest.update(b"none")
            continue
        digest.update(str(array.shape).encode())
        for part in array:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


@contextmanager
def deterministic(settings: Settings) -> Iterator[None]:
    """Deterministic torch on `settings.threads` threads; the caller's state comes back after."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.set_num_threads(settings.threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)
