"""Training of the two towers (paper section 3.4), from point-in-time rows to a towers folder.

Two passes over the same loop. The first holds out the latest rows in time and finds out after how
many epochs the model ranks them best; the second trains afresh on all rows for that many epochs,
because the most recent rows say most about the days to come. A checkpoint after every epoch lets
a killed run go on to the very bytes of an undisturbed one.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.errors import TrainingError
from colisten.features.popularity import day_of
from colisten.features.transform import UserFeatureSpec
from colisten.files import sweep_partials
from colisten.logs import logger
from colisten.models.export import export_towers
from colisten.models.items import ItemBlocks, ItemFeatureSpec
from colisten.models.knn_term import KnnTermLayout
from colisten.models.losses import log_inclusion, paper_loss, sampled_softmax_loss
from colisten.models.towers import TwoTowers, tower_vectors
from colisten.progress import track
from colisten.training.checkpoint import deterministic
from colisten.training.towers.checkpoint import Curve, TowerCheckpoint, input_digest
from colisten.training.towers.examples import TowerExamples, in_order
from colisten.training.towers.held_out import HeldOut
from colisten.training.towers.input_statistics import item_statistics, user_statistics
from colisten.training.towers.validation import (
    best_epoch,
    best_point,
    epochs_behind,
    knn_weights_of,
    split_in_time,
    validate,
)

CHECKPOINT = "checkpoint.safetensors"
Phase = Literal["select", "fit"]
# The model that comes out is a moving average of the weights over about 50 steps: what single
# batches say of this week's favourites averages out.
EMA_DECAY = 0.98

log = logger("towers")


@dataclass(frozen=True)
class TowersResult:
    """Trained towers and the folder that holds them.

    Attributes:
        folder: The towers folder, as docs/architecture.md describes it.
        towers: The trained model.
        user_spec: Columns of the user tower.
        item_spec: Columns of the item tower.
        item_vectors: Unit vectors of the target type's items [n_target, dim].
        history_vectors: What user histories are means of [num_items, d].
        epochs: Passes over all rows of the final model.
        curve: One entry an epoch, as in curve.json: `epoch` with `select_loss`, `validation_loss`,
            `validation_mrr` and `validation_hit_rate`, or with `fit_loss`.
        examples: Training rows.
        seconds: Wall-clock time.
    """

    folder: Path
    towers: TwoTowers
    user_spec: UserFeatureSpec
    item_spec: ItemFeatureSpec
    item_vectors: np.ndarray
    history_vectors: np.ndarray
    epochs: int
    curve: Curve
    examples: int
    seconds: float

    def metrics(self) -> dict[str, float]:
        """Figures of the run that do not depend on the machine's speed."""
        best = best_point(self.curve)
        return {"examples": float(self.examples), "epochs": float(self.epochs)} | {
            name: value for name, value in best.items() if name.startswith("validation_")
        }


def train_towers(
    rows: pa.Table,
    catalogue: Catalogue,
    blocks: ItemBlocks,
    settings: Settings,
    *,
    out: Path,
    whole: pa.Table | None = None,
) -> TowersResult:
    """Train both towers and write the towers folder.

    Args:
        rows: Point-in-time training rows: user_id, item_id (target type), timestamp, country, age,
            music_vector and per type `{type}_item_ids`, `{type}_signals`, `{type}_times` strictly
            before the timestamp. Their order has no say.
        catalogue: Items as of the cut.
        blocks: Item vectors in the catalogue's order; with fold versions for every block that
            users' events shaped. Without a "z" block this is the model without graph.
        settings: The `towers` section, `data`, `features`, `seed` and `threads`.
        out: The towers folder; replaced as a whole at the end. A checkpoint lives in it until
            then, and is used if it was left by the same inputs.
        whole: Feature rows of every user as of the cut, for leave-one-out examples and for
            validation; None trains on the past alone, whatever towers.leave_one_out says.

    Raises:
        TrainingError: There are no rows, or rows, catalogue and blocks do not fit each other.
        FeatureError: A feature column is missing or broken.
    """
    start = time.perf_counter()
    sweep_partials(out)
    rows = in_order(rows)
    examples = TowerExamples.read(rows, catalogue, blocks, settings, whole)
    log.info(
        "examples ready",
        examples=len(examples),
        user_width=examples.user_spec.width,
        item_width=examples.item_spec.width,
        cross_fit=examples.cross_fit,
        seconds=round(time.perf_counter() - start, 1),
    )
    saved = TowerCheckpoint(
        out / CHECKPOINT, input_digest((rows, whole), catalogue, blocks, settings)
    )
    with deterministic(settings.threads, settings.seed):
        epochs, curve = _select(examples, settings, saved)
        every = np.arange(len(examples))
        towers, curve = _train("fit", examples, every, epochs, settings, saved, curve)
        item_features = np.concatenate(
            [
                examples.item_features(np.arange(examples.num_items), None),
                examples.served_popularity(),
            ],
            axis=1,
        )
        names = towers.user.knn_term.names if towers.user.knn_term else ()
        towers.fit_to_catalogue(item_features, knn_weights_of(best_point(curve), names))
        result = TowersResult(
            folder=out,
            towers=towers,
            user_spec=examples.user_spec,
            item_spec=examples.item_spec,
            item_vectors=tower_vectors(towers.item, item_features),
            history_vectors=blocks.history_vectors(),
            epochs=epochs,
            curve=curve,
            examples=len(examples),
            seconds=time.perf_counter() - start,
        )
        export_towers(
            out,
            towers=towers,
            user_spec=result.user_spec,
            item_spec=result.item_spec,
            item_vectors=result.item_vectors,
            history_vectors=result.history_vectors,
            curve=curve,
            user_features=examples.user_features(every[:: max(1, len(every) // 512)]),
            item_features=item_features[:512],
        )
    log.info(
        "towers trained",
        epochs=epochs,
        examples=len(examples),
        folder=str(out),
        seconds=round(result.seconds, 1),
    )
    return result


def _select(
    examples: TowerExamples, settings: Settings, saved: TowerCheckpoint
) -> tuple[int, Curve]:
    """The number of epochs after which held-out later rows are ranked best, and the curve."""
    train, held_out = split_in_time(examples.times, settings.towers.validation_share)
    most = _most_epochs(len(train), settings)
    if not len(held_out):
        return most, []
    if saved.phase == "fit":
        curve = saved.curve
    else:
        _, curve = _train("select", examples, train, most, settings, saved, [], held_out)
    return best_epoch(curve), curve


def _most_epochs(rows: int, settings: Settings) -> int:
    """Upper bound on passes over this many rows."""
    a_pass = max(1, round(rows / settings.towers.batch_size))
    return max(settings.towers.epochs, -(-settings.towers.min_steps // a_pass))


def _train(
    phase: Phase,
    examples: TowerExamples,
    rows: np.ndarray,
    epochs: int,
    settings: Settings,
    saved: TowerCheckpoint,
    curve: Curve,
    held_out: np.ndarray | None = None,
) -> tuple[TwoTowers, Curve]:
    """One training from scratch or from the checkpoint; stops early where rows are held out."""
    torch.manual_seed(settings.seed)
    knn_term = None
    if settings.towers.has_knn_term:
        knn_term = KnnTermLayout.of(examples.user_spec, examples.item_spec)
    towers = TwoTowers(
        examples.user_spec.width, examples.item_spec.dense_width, settings.towers, knn_term
    )
    towers.user.standardise(*user_statistics(examples))
    towers.item.standardise(*item_statistics(examples))
    optimiser = torch.optim.Adam(towers.parameters(), lr=settings.towers.learning_rate, fused=True)
    average = copy.deepcopy(towers)
    share = torch.from_numpy(examples.item_shares(rows))
    inputs = _Inputs(examples, held_out, settings)
    judged = None if held_out is None else HeldOut.of(examples, held_out)
    done = 0
    if saved.phase == phase:
        saved.restore(towers, average, optimiser)
        done, curve = saved.epoch, saved.curve
        log.info("resumed", phase=phase, epoch=done)
    for epoch in range(done + 1, epochs + 1):
        if held_out is not None and _patience_is_over(curve, settings.towers.patience):
            break
        began = time.perf_counter()
        # Everything random in an epoch depends on seed, phase and epoch only, so that a resumed
        # run draws what an undisturbed one does.
        stream = (settings.seed, 0 if phase == "select" else 1, epoch)
        torch.manual_seed(int(np.random.SeedSequence(stream).generate_state(1)[0]))
        rng = np.random.default_rng(stream)
        batches = examples.batches(rows, settings.towers.batch_size, rng)
        towers.train()
        total, steps = 0.0, (epoch - 1) * len(batches)
        for batch in track(batches, f"towers: {phase}, epoch {epoch}"):
            features = inputs.of(batch, rng)
            loss = _batch_loss(towers, examples, batch, features, share, settings)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            steps += 1
            update_ema(average, towers, steps)
            total += loss.item() * len(batch)
        entry: dict[str, float] = {"epoch": epoch, f"{phase}_loss": total / len(rows)}
        spent = time.perf_counter() - began
        if not math.isfinite(total):
            raise TrainingError(
                f"The loss of the towers is {total} in epoch {epoch}: training diverged.",
                "Lower towers.learning_rate, or look for extreme values in music vectors and ages.",
            )
        if judged is not None:
            start = knn_weights_of(curve[-1] if curve else {}, knn_term.names if knn_term else ())
            entry |= validate(average, judged, settings, start)
        curve = [*curve, entry]
        saved.save(phase, epoch, curve, towers, average, optimiser)
        log.info("epoch", **entry, examples_per_second=round(len(rows) / spent))
    return average.eval(), curve


def update_ema(average: TwoTowers, towers: TwoTowers, step: int) -> None:
    """Move the averaged weights towards the current ones; at first by much."""
    memory = min(EMA_DECAY, step / (step + 9))
    with torch.no_grad():
        for mean, weight in zip(average.parameters(), towers.parameters(), strict=True):
            mean.lerp_(weight, 1.0 - memory)


class _Inputs:
    """What the user tower reads of a training batch: pasts, whole histories, cold users."""

    def __init__(
        self, examples: TowerExamples, held_out: np.ndarray | None, settings: Settings
    ) -> None:
        self.examples = examples
        self.whole_share = settings.towers.leave_one_out if examples.whole is not None else 0.0
        self.cold_start_dropout = settings.towers.cold_start_dropout
        self.until = None
        if held_out is not None and len(held_out):
            # What is held out must not shine through the whole histories of the rest.
            self.until = int(examples.times[held_out].min())
        self.kept: np.ndarray | None = None
        every = np.arange(len(examples))
        if self.whole_share and examples.cached:
            self.kept = examples.left_out_features(every, self.until)

    def of(self, batch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Inputs [n, width] of some examples: random shares of them leave-one-out and cold."""
        features = self.examples.user_features(batch)
        if self.whole_share:
            chosen = np.flatnonzero(rng.random(len(batch)) < self.whole_share)
            if len(chosen):
                features = features.copy()
                rows = batch[chosen]
                features[chosen] = (
                    self.kept[rows]
                    if self.kept is not None
                    else self.examples.left_out_features(rows, self.until)
                )
        if self.cold_start_dropout:
            chosen = np.flatnonzero(rng.random(len(batch)) < self.cold_start_dropout)
            if len(chosen):
                features = features.copy()
                features[chosen] = self.examples.cold(features[chosen])
        return features


def _batch_loss(
    towers: TwoTowers,
    examples: TowerExamples,
    batch: np.ndarray,
    features: np.ndarray,
    share: Tensor,
    settings: Settings,
) -> Tensor:
    items, own = np.unique(examples.items[batch], return_inverse=True)
    chosen = torch.from_numpy(own)
    fold = int(examples.folds[batch[0]])
    users, weights = towers.user.parts(torch.from_numpy(features))
    candidates = towers.item.parts(torch.from_numpy(examples.item_features(items, fold)))
    log_p = log_inclusion(share[torch.from_numpy(items)], len(batch))
    if settings.towers.loss == "paper":
        return paper_loss(users, candidates, chosen, log_p)
    prior = None
    if towers.user.prior_dim:
        days, at = np.unique(day_of(examples.times[batch]), return_inverse=True)
        popularity = torch.from_numpy(examples.log_popularity(days, items))
        prior = torch.einsum("bh,bch->bc", weights, popularity[torch.from_numpy(at)])
    return sampled_softmax_loss(users, candidates, chosen, log_p, towers.temperature, prior)


def _patience_is_over(curve: Curve, patience: int) -> bool:
    return epochs_behind(curve) >= patience
