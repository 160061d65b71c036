"""One training of the towers from scratch, or from its checkpoint: the loop over epochs."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import math
import time
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from colisten.errors import TrainingError
from colisten.features.popularity import day_of
from colisten.logs import logger
from colisten.models.knn_term import KnnTermLayout
from colisten.models.losses import LossBatch, log_inclusion, loss_of
from colisten.models.towers import TwoTowers
from colisten.progress import track
from colisten.training.towers.checkpoint import Curve, TowerCheckpoint
from colisten.training.towers.examples import TowerExamples
from colisten.training.towers.held_out import HeldOut
from colisten.training.towers.input_statistics import standardise, warm_column
from colisten.training.towers.inputs import BatchInputs
from colisten.training.towers.settings import TowersTraining
from colisten.training.towers.validation import epochs_behind, validate

# The model that comes out is a moving average of the weights over about 50 steps: what single
# batches say of this week's favourites averages out.
EMA_DECAY = 0.98

log = logger("towers")


@dataclass(frozen=True, eq=False)
class Phase:
    """What one training is given: `select` finds the number of epochs, `fit` makes the model.

    Attributes:
        name: Part of every random stream, so that the phases draw differently.
        rows: Examples that are trained on [n].
        epochs: Upper bound on passes over them.
        held_out: Examples that are judged by, and stop the training; empty for none.
    """

    name: Literal["select", "fit"]
    rows: NDArray[np.int64]
    epochs: int
    held_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def run_phase(
    phase: Phase,
    examples: TowerExamples,
    settings: TowersTraining,
    saved: TowerCheckpoint,
    curve: Curve,
) -> tuple[TwoTowers, Curve]:
    """Train, an epoch at a time, from where a checkpoint of this phase stopped.

    Returns:
        The averaged model, and the curve with a point for each epoch.

    Raises:
        TrainingError: The loss is not finite.
    """
    trainer = _Trainer(phase, examples, settings)
    done = 0
    if saved.phase == phase.name:
        saved.restore(trainer.towers, trainer.average, trainer.optimiser)
        done, curve = saved.epoch, saved.curve
        log.info("resumed", phase=phase.name, epoch=done)
    for epoch in range(done + 1, phase.epochs + 1):
        if len(phase.held_out) and epochs_behind(curve) >= settings.towers.patience:
            break
        began = time.perf_counter()
        entry = {"epoch": epoch, f"{phase.name}_loss": trainer.epoch(epoch)}
        spent = time.perf_counter() - began
        entry |= trainer.validate()
        curve = [*curve, entry]
        saved.save(phase.name, epoch, curve, trainer.towers, trainer.average, trainer.optimiser)
        log.info("epoch", **entry, examples_per_second=round(len(phase.rows) / spent))
    return trainer.averaged.eval(), curve


def update_ema(average: Tensor, weight: Tensor, updates: Tensor | int) -> Tensor:
    """A weight's moving average after one more step; it moves by much at first."""
    updates = int(updates)
    return average.lerp(weight, 1.0 - min(EMA_DECAY, updates / (updates + 9)))


class _Trainer:
    """Weights, their average and the optimiser of one training."""

    def __init__(self, phase: Phase, examples: TowerExamples, settings: TowersTraining) -> None:
        torch.manual_seed(settings.seed)
        self.phase, self.examples, self.settings = phase, examples, settings
        users, items = examples.user_spec, examples.item_spec
        knn_term = KnnTermLayout.of(users, items) if settings.towers.has_knn_term else None
        self.towers = TwoTowers(
            users.width, items.dense_width, settings.towers, knn_term, warm_column(users)
        )
        standardise(self.towers, examples)
        self.optimiser = torch.optim.Adam(
            self.towers.parameters(), lr=settings.towers.learning_rate, fused=True
        )
        self.average = AveragedModel(self.towers, avg_fn=update_ema)
        # The weights it starts from count; else the first step would replace them.
        self.average.n_averaged.fill_(1)
        self.share = torch.from_numpy(examples.item_shares(phase.rows))
        self.inputs = BatchInputs(examples, phase.held_out, settings.towers)
        self.judged: HeldOut | None = None
        self.half_life = 0
        if len(phase.held_out):
            self.judged = HeldOut.of(examples, phase.held_out)
            self.half_life = examples.half_life(settings.window_days)

    @property
    def averaged(self) -> TwoTowers:
        """The averaged model."""
        return cast(TwoTowers, self.average.module)

    def epoch(self, number: int) -> float:
        """One pass over the rows; their mean loss."""
        # Everything random in an epoch depends on seed, phase and epoch only, so that a resumed
        # run draws what an undisturbed one does.
        stream = (self.settings.seed, 0 if self.phase.name == "select" else 1, number)
        torch.manual_seed(int(np.random.SeedSequence(stream).generate_state(1)[0]))
        rng = np.random.default_rng(stream)
        rows, size = self.phase.rows, self.settings.towers.batch_size
        self.towers.train()
        total = 0.0
        batches = self.examples.batches(rows, size, rng)
        for batch in track(batches, f"towers: {self.phase.name}, epoch {number}"):
            loss = self._loss(batch, self.inputs.of(batch, rng))
            self.optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            self.optimiser.step()
            self.average.update_parameters(self.towers)
            total += loss.item() * len(batch)
        if not math.isfinite(total):
            raise TrainingError(
                f"The loss of the towers is {total} in epoch {number}: training diverged.",
                "Lower towers.learning_rate, or look for extreme values in music vectors and ages.",
            )
        return total / len(rows)

    def validate(self) -> dict[str, float]:
        """What the averaged model makes of held-out rows; nothing where there are none."""
        if self.judged is None:
            return {}
        return validate(self.averaged, self.judged, self.settings, self.half_life)

    def _loss(self, batch: NDArray[np.int64], features: NDArray[np.float32]) -> Tensor:
        """The loss of some examples of one fold, with these inputs of the user tower."""
        examples, towers = self.examples, self.towers
        items, own = np.unique(examples.items[batch], return_inverse=True)
        users = towers.user.parts(torch.from_numpy(features))
        fold = int(examples.folds[batch[0]])
        candidates = towers.item.tastes(torch.from_numpy(examples.item_features(items, fold)))
        days, at = np.unique(day_of(examples.times[batch]), return_inverse=True)
        popularity = torch.from_numpy(examples.log_popularity(days, items))[torch.from_numpy(at)]
        log_p = log_inclusion(self.share[torch.from_numpy(items)], len(batch))
        loss = loss_of(self.settings.towers.loss)
        losses = [
            loss(
                LossBatch(
                    users=taste,
                    items=own_items,
                    own=torch.from_numpy(own),
                    log_p=log_p,
                    temperature=temperature,
                    prior=torch.einsum("bh,bch->bc", weights, popularity)
                    if towers.user.prior_dim
                    else torch.zeros(()),
                )
            )
            for (taste, weights), own_items, temperature in zip(
                users, candidates, towers.temperature, strict=True
            )
        ]
        return torch.stack(losses).mean()
