"""Training of the two towers (paper section 3.4), from point-in-time rows to a towers folder.

Two passes over the same loop. The first holds out the latest rows in time and finds out after how
many epochs the model ranks them best; the second trains afresh on all rows for that many epochs,
because the most recent rows say most about the days to come. A checkpoint after every epoch lets
a run that was interrupted resume, and end in the very bytes of an undisturbed one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from colisten.data.catalogue import Catalogue
from colisten.features.transform import UserFeatureSpec
from colisten.files import sweep_partials
from colisten.logs import logger
from colisten.models.export import export_towers
from colisten.models.items import ItemBlocks, ItemFeatureSpec
from colisten.models.towers import TwoTowers, tower_vectors
from colisten.threads import worth
from colisten.training.checkpoint import deterministic
from colisten.training.time_split import split_in_time
from colisten.training.towers.checkpoint import Curve, TowerCheckpoint, input_digest
from colisten.training.towers.examples import TowerExamples
from colisten.training.towers.phase import Phase, run_phase
from colisten.training.towers.rows import in_order
from colisten.training.towers.settings import TowersTraining
from colisten.training.towers.transfer import transfer_vectors
from colisten.training.towers.validation import (
    best_epoch,
    best_point,
    choices_of,
    score_weights_of,
)

CHECKPOINT = "checkpoint.safetensors"

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
    item_vectors: NDArray[np.float32]
    history_vectors: NDArray[np.float32]
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
    settings: TowersTraining,
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
        settings: What a training reads; `TowersTraining.of` takes it out of whole settings.
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
    blocks = _with_transfer(blocks, rows, whole, catalogue, settings)
    examples = TowerExamples.read(rows, catalogue, blocks, settings, whole)
    log.info(
        "examples ready",
        examples=len(examples),
        user_width=examples.user_spec.width,
        item_width=examples.item_spec.width,
        cross_fit=examples.cross_fit,
        seconds=round(time.perf_counter() - start, 1),
    )
    digest = input_digest((rows, whole), catalogue, blocks, settings)
    saved = TowerCheckpoint(out / CHECKPOINT, digest)
    batch = min(len(examples), settings.towers.batch_size)
    with deterministic(worth(batch, examples.user_spec.width, settings.threads), settings.seed):
        epochs, curve = _select(examples, settings, saved)
        phase = Phase("fit", np.arange(len(examples)), epochs)
        towers, curve = run_phase(phase, examples, settings, saved, curve)
        result = _export(out, towers, examples, epochs, curve, start)
    log.info(
        "towers trained",
        epochs=epochs,
        examples=len(examples),
        folder=str(out),
        seconds=round(result.seconds, 1),
    )
    return result


def _with_transfer(
    blocks: ItemBlocks,
    rows: pa.Table,
    whole: pa.Table | None,
    catalogue: Catalogue,
    settings: TowersTraining,
) -> ItemBlocks:
    """The blocks and, where there is a graph, what the transfer term reads, now and earlier."""
    towers = settings.towers
    if blocks.z is None or whole is None or not (towers.transfer and towers.has_floor):
        return blocks
    if not towers.has_knn_term or not rows.num_rows:
        return blocks
    _, held_out = split_in_time(_times(rows), towers.validation_share)
    if not len(held_out):
        return blocks
    moment = int(_times(rows)[held_out[0]])
    return replace(
        blocks,
        transfer=transfer_vectors(rows, whole, catalogue, settings),
        transfer_validation=transfer_vectors(rows, whole, catalogue, settings, as_of=moment),
    )


def _times(rows: pa.Table) -> NDArray[np.int64]:
    times: NDArray[np.int64] = rows.column("timestamp").cast(pa.int64()).to_numpy()
    return times


def _select(
    examples: TowerExamples, settings: TowersTraining, saved: TowerCheckpoint
) -> tuple[int, Curve]:
    """The number of epochs after which held-out later rows are ranked best, and the curve."""
    rows, held_out = split_in_time(examples.times, settings.towers.validation_share)
    a_pass = max(1, round(len(rows) / settings.towers.batch_size))
    most = max(settings.towers.epochs, -(-settings.towers.min_steps // a_pass))
    if not len(held_out):
        return most, []
    curve = saved.curve
    if saved.phase != "fit":
        phase = Phase("select", rows, most, held_out)
        _, curve = run_phase(phase, examples, settings, saved, [])
    return best_epoch(curve), curve


def _export(
    out: Path,
    towers: TwoTowers,
    examples: TowerExamples,
    epochs: int,
    curve: Curve,
    start: float,
) -> TowersResult:
    """Fit the model to the catalogue, compute what a release needs of it, and write it."""
    dense = examples.item_features(np.arange(examples.num_items), None)
    item_features = np.concatenate([dense, examples.served_popularity()], axis=1)
    towers.fit_to_catalogue(item_features, score_weights_of(best_point(curve), towers))
    towers.shorten()
    result = TowersResult(
        folder=out,
        towers=towers,
        user_spec=examples.user_spec,
        item_spec=examples.item_spec,
        item_vectors=tower_vectors(towers.item, item_features),
        history_vectors=examples.blocks.history_vectors(),
        epochs=epochs,
        curve=curve,
        examples=len(examples),
        seconds=time.perf_counter() - start,
    )
    some = np.arange(len(examples))[:: max(1, len(examples) // 512)]
    export_towers(
        out,
        towers=towers,
        user_spec=result.user_spec,
        item_spec=result.item_spec,
        item_vectors=result.item_vectors,
        history_vectors=result.history_vectors,
        curve=curve,
        choices=choices_of(best_point(curve)),
        user_features=examples.user_features(some),
        item_features=item_features[:512],
    )
    return result
