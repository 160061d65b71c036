"""Resume after an interruption: what a training run of the towers leaves after every epoch."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from colisten.data.catalogue import Catalogue
from colisten.errors import TrainingError
from colisten.json_files import to_json
from colisten.logs import logger
from colisten.models.items import ItemBlocks
from colisten.training.checkpoint import (
    adam_tensors,
    load_adam,
    prefixed,
    read_tensors,
    under,
    write_tensors,
)
from colisten.training.towers.settings import TowersTraining

Curve = list[dict[str, float]]

log = logger("towers")


class TowerCheckpoint:
    """One file with weights, optimiser state and learning curve after the last whole epoch.

    Args:
        file: Where it lives; replaced as a whole after each epoch.
        inputs: `input_digest` of this run. A checkpoint of other inputs, or a damaged one, is
            ignored.

    Attributes:
        phase: Phase of the last whole epoch; None where there is nothing to go on from.
        epoch: Whole epochs of that phase.
        curve: Learning curve up to there, all phases.
    """

    def __init__(self, file: Path, inputs: str) -> None:
        self.file = file
        self.inputs = inputs
        self.phase: str | None = None
        self.epoch = 0
        self.curve: Curve = []
        self._tensors: dict[str, torch.Tensor] = {}
        if not file.exists():
            return
        try:
            tensors, state = read_tensors(file)
        except TrainingError as error:
            log.warning("checkpoint ignored", reason=str(error))
            return
        if state["inputs"] != inputs:
            log.info("checkpoint of other inputs ignored", file=str(file))
            return
        self.phase, self.epoch, self.curve = state["phase"], state["epoch"], state["curve"]
        self._tensors = tensors

    def restore(
        self, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
    ) -> None:
        """Load weights, their average and optimiser state into what the saving run had built."""
        model.load_state_dict(under("model", self._tensors))
        average.load_state_dict(under("average", self._tensors))
        load_adam(optimiser, under("adam", self._tensors))

    def save(
        self,
        phase: str,
        epoch: int,
        curve: Curve,
        model: nn.Module,
        average: nn.Module,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        """Keep the state after a whole epoch; the one before it is replaced."""
        tensors = prefixed("model", model.state_dict()) | prefixed("average", average.state_dict())
        tensors |= prefixed("adam", adam_tensors(optimiser))
        state = {"inputs": self.inputs, "phase": phase, "epoch": epoch, "curve": curve}
        write_tensors(self.file, tensors, state)
        self.phase, self.epoch, self.curve = phase, epoch, curve


def input_digest(
    tables: Iterable[pa.Table | None],
    catalogue: Catalogue,
    blocks: ItemBlocks,
    settings: TowersTraining,
) -> str:
    """SHA-256 of everything that shapes the towers."""
    digest = hashlib.sha256(to_json(settings).encode())
    for table in (*tables, catalogue.table):
        if table is None:
            digest.update(b"none")
            continue
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        digest.update(sink.getvalue())
    for array in (
        blocks.text,
        blocks.z,
        blocks.z_folds,
        blocks.z_validation,
        blocks.factors,
        blocks.factors_validation,
        blocks.transfer,
        blocks.transfer_validation,
    ):
        if array is None:
            digest.update(b"none")
            continue
        digest.update(str(array.shape).encode())
        for part in array:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
