"""An HGNN training under way: weights, optimizers, learning curve, and the checkpoint of it all."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colisten.errors import TrainingError
from colisten.logs import logger
from colisten.models.hgnn import HGNN
from colisten.settings.sections import HGNNSettings
from colisten.training.checkpoint import (
    adam_tensors,
    copy_state,
    load_adam,
    prefixed,
    read_tensors,
    under,
    write_tensors,
)

CHECKPOINT = "checkpoint.safetensors"
# P starts right and must not be thrown away by Adam's first steps, which are all of full size.
PROJECT_RATE = 1 / 30

log = logger("hgnn")


class TrainingState:
    """What a checkpoint holds, and how a step changes it.

    Args:
        model: On the device it trains on.
        options: Learning rate, patience, time between checkpoints.
        folder: Where the checkpoint lies.
        key: Digest of the training's inputs.

    Attributes:
        step: Steps taken.
        best_step: Step whose weights are kept.
        best_loss: Validation loss there; None where there is nothing to validate on.
        curve: One mapping per evaluation.
    """

    def __init__(self, model: HGNN, options: HGNNSettings, folder: Path, key: str) -> None:
        self.model = model
        self.options = options
        self.file = folder / CHECKPOINT
        self.key = key
        self.step, self.best_step = 0, 0
        self.best_loss: float | None = None
        self.curve: list[dict[str, float]] = []
        self._losses: list[float] = []
        self._optimizers = _optimizers(model, options)
        self._best = copy_state(model)
        self._written = time.monotonic()

    @property
    def stopped(self) -> bool:
        """Whether `patience` evaluations in a row brought nothing better."""
        since = [point for point in self.curve if point["step"] > self.best_step]
        return len(since) >= self.options.patience

    def resume(self) -> None:
        """Go on from the checkpoint, where there is one of the same inputs."""
        if not self.file.exists():
            return
        tensors, state = read_tensors(self.file)
        if state["key"] != self.key:
            log.info("checkpoint is of other inputs, training starts afresh", file=str(self.file))
            return
        self.model.load_state_dict(under("model", tensors))
        for number, optimizer in enumerate(self._optimizers):
            load_adam(optimizer, under(f"adam{number}", tensors))
        self._best = under("best", tensors)
        self.step, self.best_step = state["step"], state["best_step"]
        self.best_loss, self.curve = state["best_loss"], state["curve"]
        self._losses = state["losses"]
        log.info("training goes on", step=self.step)

    def clear_gradients(self) -> None:
        """Forget the gradients of the step before."""
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=True)

    def learn(self, loss: Tensor) -> None:
        """Step the optimizers; raises TrainingError where the loss is not finite."""
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in self._optimizers:
            optimizer.step()
        self.step += 1
        self._losses.append(loss.item())
        if not np.isfinite(self._losses[-1]):
            raise TrainingError(
                f"The HGNN's loss became {self._losses[-1]} at step {self.step}.",
                "Lower hgnn.learning_rate.",
            )

    def measured(self, figures: dict[str, float]) -> None:
        """Add a point to the curve and keep the weights where they are the best so far."""
        point = {"step": self.step, "train_loss": float(np.mean(self._losses)), **figures}
        self.curve.append(point)
        self._losses = []
        score = point.get("validation_loss")
        if score is None or self.best_loss is None or score < self.best_loss:
            self.best_step, self.best_loss = self.step, score
            self._best = copy_state(self.model)
        log.info("evaluated", **point, best_step=self.best_step)

    def save(self, *, now: bool) -> None:
        """Write the checkpoint, `now` or where the last one is too long ago."""
        if not now and time.monotonic() - self._written <= self.options.checkpoint_seconds:
            return
        tensors = prefixed("model", self.model.state_dict()) | prefixed("best", self._best)
        for number, optimizer in enumerate(self._optimizers):
            tensors |= prefixed(f"adam{number}", adam_tensors(optimizer))
        state: dict[str, Any] = {
            "step": self.step,
            "best_step": self.best_step,
            "best_loss": self.best_loss,
            "losses": self._losses,
            "curve": self.curve,
            "key": self.key,
        }
        write_tensors(self.file, tensors, state)
        self._written = time.monotonic()

    def finish(self) -> HGNN:
        """The model with its best weights, on the CPU."""
        self.model.load_state_dict(self._best)
        return self.model.cpu().eval()


def _optimizers(model: HGNN, options: HGNNSettings) -> list[torch.optim.Optimizer]:
    """Adam for the weights; its lazy form for id vectors, which moves a step's own rows only."""
    named = dict(model.named_parameters())
    ids = [named.pop(name) for name in list(named) if name.startswith("id_vectors.")]
    project = [named.pop(name) for name in list(named) if name.startswith("project.")]
    groups: list[dict[str, Any]] = [{"params": list(named.values())}]
    if project:
        groups.append({"params": project, "lr": options.learning_rate * PROJECT_RATE})
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(groups, lr=options.learning_rate)]
    if ids:
        optimizers.append(torch.optim.SparseAdam(ids, lr=options.learning_rate))
    return optimizers
