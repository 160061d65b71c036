"""Training of the two towers (paper section 3.4), from point-in-time rows to a towers folder.

Two passes over the same loop. The first holds out the latest rows in time and finds out after how
many epochs the model ranks them best; the second trains afresh on all rows for that many epochs,
because the most recent rows say most about the days to come. A checkpoint after every epoch lets
a killed run go on to the very bytes of an undisturbed one.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional

from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.features.transform import UserFeatureSpec
from colisten.files import sweep_partials
from colisten.logs import logger
from colisten.models.export import export_towers
from colisten.models.items import ItemBlocks, ItemFeatureSpec
from colisten.models.losses import log_inclusion, paper_loss, sampled_softmax_loss
from colisten.models.towers import TwoTowers, tower_vectors
from colisten.progress import track
from colisten.training.checkpoint import deterministic
from colisten.training.examples import TowerExamples, in_order
from colisten.training.tower_checkpoint import Curve, TowerCheckpoint, input_digest

CHECKPOINT = "checkpoint.safetensors"
Phase = Literal["select", "fit"]
# Bounds on what one validation ranks.
_VALIDATION_ROWS = 4096
_VALIDATION_ITEMS = 20_000
_VALIDATION_BLOCK = 512

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
        best = min(self.curve, key=_validation_order, default={})
        return {"examples": float(self.examples), "epochs": float(self.epochs)} | {
            name: value for name, value in best.items() if name.startswith("validation_")
        }


def train_towers(
    rows: pa.Table, catalogue: Catalogue, blocks: ItemBlocks, settings: Settings, *, out: Path
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

    Raises:
        TrainingError: There are no rows, or rows, catalogue and blocks do not fit each other.
        FeatureError: A feature column is missing or broken.
    """
    start = time.perf_counter()
    sweep_partials(out)
    rows = in_order(rows)
    examples = TowerExamples.read(rows, catalogue, blocks, settings)
    log.info(
        "examples ready",
        examples=len(examples),
        user_width=examples.user_spec.width,
        item_width=examples.item_spec.width,
        cross_fit=examples.cross_fit,
        seconds=round(time.perf_counter() - start, 1),
    )
    saved = TowerCheckpoint(out / CHECKPOINT, input_digest(rows, catalogue, blocks, settings))
    with deterministic(settings.threads, settings.seed):
        epochs, curve = _select(examples, settings, saved)
        every = np.arange(len(examples))
        towers, curve = _train("fit", examples, every, epochs, settings, saved, curve)
        result = TowersResult(
            folder=out,
            towers=towers,
            user_spec=examples.user_spec,
            item_spec=examples.item_spec,
            item_vectors=tower_vectors(
                towers.item, examples.item_features(np.arange(examples.num_items), None)
            ),
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
            item_features=examples.item_features(np.arange(min(512, examples.num_items)), None),
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
    if not len(held_out):
        return settings.towers.epochs, []
    if saved.phase == "fit":
        curve = saved.curve
    else:
        _, curve = _train(
            "select", examples, train, settings.towers.epochs, settings, saved, [], held_out
        )
    return best_epoch(curve), curve


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
    towers = TwoTowers(examples.user_spec.width, examples.item_spec.width, settings.towers)
    towers.user.standardise(*examples.user_statistics())
    towers.item.standardise(*examples.item_statistics())
    optimiser = torch.optim.Adam(towers.parameters(), lr=settings.towers.learning_rate, fused=True)
    share = torch.from_numpy(examples.item_shares(rows))
    done = 0
    if saved.phase == phase:
        saved.restore(towers, optimiser)
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
        batches = examples.batches(rows, settings.towers.batch_size, np.random.default_rng(stream))
        towers.train()
        total = 0.0
        for batch in track(batches, f"towers: {phase}, epoch {epoch}"):
            loss = _batch_loss(towers, examples, batch, share, settings)
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            total += loss.item() * len(batch)
        entry: dict[str, float] = {"epoch": epoch, f"{phase}_loss": total / len(rows)}
        spent = time.perf_counter() - began
        if held_out is not None:
            entry |= validate(towers, examples, held_out, settings)
        curve = [*curve, entry]
        saved.save(phase, epoch, curve, towers, optimiser)
        log.info("epoch", **entry, examples_per_second=round(len(rows) / spent))
    return towers.eval(), curve


def _batch_loss(
    towers: TwoTowers,
    examples: TowerExamples,
    batch: np.ndarray,
    share: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    items, own = np.unique(examples.items[batch], return_inverse=True)
    fold = int(examples.folds[batch[0]])
    users = towers.user(torch.from_numpy(examples.user_features(batch)))
    candidates = towers.item(torch.from_numpy(examples.item_features(items, fold)))
    log_p = log_inclusion(share[torch.from_numpy(items)], len(batch))
    if settings.towers.loss == "paper":
        return paper_loss(users, candidates, torch.from_numpy(own), log_p)
    return sampled_softmax_loss(users, candidates, torch.from_numpy(own), log_p, towers.temperature)


def validate(
    towers: TwoTowers, examples: TowerExamples, rows: np.ndarray, settings: Settings
) -> dict[str, float]:
    """How well held-out examples rank their item among the catalogue, each in its own fold.

    Returns:
        validation_loss (softmax over the candidates at the learned temperature), validation_mrr
        and validation_hit_rate (at evaluation.k).
    """
    rows = rows[:: max(1, -(-len(rows) // _VALIDATION_ROWS))]
    spread = np.linspace(0, examples.num_items - 1, min(examples.num_items, _VALIDATION_ITEMS))
    candidates = np.union1d(spread.round().astype(np.int64), examples.items[rows])
    temperature = towers.temperature.item()
    losses, ranks = [], []
    for fold in np.unique(examples.folds[rows]):
        members = rows[examples.folds[rows] == fold]
        items = torch.from_numpy(
            tower_vectors(towers.item, examples.item_features(candidates, int(fold)))
        )
        for start in range(0, len(members), _VALIDATION_BLOCK):
            block = members[start : start + _VALIDATION_BLOCK]
            users = tower_vectors(towers.user, examples.user_features(block))
            scores = torch.from_numpy(users) @ items.T
            own = torch.from_numpy(np.searchsorted(candidates, examples.items[block]))
            losses.append(functional.cross_entropy(scores / temperature, own, reduction="none"))
            ranks.append((scores > scores.gather(1, own[:, None])).sum(dim=1) + 1)
    rank = torch.cat(ranks).double()
    return {
        "validation_loss": float(torch.cat(losses).double().mean()),
        "validation_mrr": float((1.0 / rank).mean()),
        "validation_hit_rate": float((rank <= settings.evaluation.k).double().mean()),
    }


def split_in_time(times: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows before and from the moment after which about `share` of the rows lie.

    Rows of one moment stay together. Both parts are empty of the other's moments; the second is
    empty where the rows span too little time to be split.

    Args:
        times: Ascending int64 [N].
        share: Share of rows held out.
    """
    every = np.arange(len(times))
    wanted = round(len(times) * share)
    if not wanted:
        return every, every[:0]
    first = int(np.searchsorted(times, times[-wanted], side="left"))
    if first == 0:
        first = int(np.searchsorted(times, times[0], side="right"))
    return (every[:first], every[first:])


def best_epoch(curve: Curve) -> int:
    """The epoch of the lowest validation loss, the earliest of equals."""
    return int(min(curve, key=_validation_order)["epoch"])


def _validation_order(entry: dict[str, float]) -> tuple[float, float]:
    return entry.get("validation_loss", math.inf), entry["epoch"]


def _patience_is_over(curve: Curve, patience: int) -> bool:
    return bool(curve) and curve[-1]["epoch"] - best_epoch(curve) >= patience
