"""Training the HGNN, top to bottom, and reading it back.

A step: draw pairs of every relation and their neighbourhoods, compute the vectors of all ends
once, add up each relation's loss with equal weight, step Adam. Every `evaluate_every` steps the
same held-out pairs are scored, a checkpoint is written and the best weights are kept. All draws
follow from (seed, step), so a killed run goes on from its checkpoint as if nothing had happened.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colisten.config import HGNNSettings, Settings
from colisten.errors import TrainingError
from colisten.files import sweep_partials, write_aside
from colisten.graph.graph import CoListeningGraph, RelationName
from colisten.logs import logger
from colisten.models.catalogue import embed_catalogue
from colisten.models.hgnn import HGNN, check_inputs
from colisten.progress import track
from colisten.sampling.multilink import MultiLinkBatch, MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from colisten.training.checkpoint import (
    Tensors,
    adam_tensors,
    copy_state,
    deterministic,
    load_adam,
    prefixed,
    read_tensors,
    under,
    write_tensors,
)
from colisten.training.hgnn_loss import MIN_FREQUENCY, margin_loss, softmax_loss

__all__ = ["HGNNResult", "embed_catalogue", "load_hgnn", "train_hgnn"]

WEIGHTS = "hgnn.safetensors"
CARD = "hgnn.json"
CURVE = "curve.json"
CHECKPOINT = "checkpoint.safetensors"
FORMAT = 1
LOG_SECONDS = 10.0
# Held-out pairs scored per relation: enough for a steady figure, few enough to score often.
MAX_VALIDATION_PAIRS = 1024
# P starts right and must not be thrown away by Adam's first steps, which are all of full size.
PROJECT_RATE = 1 / 30

log = logger("hgnn")


@dataclass(frozen=True)
class HGNNResult:
    """A trained HGNN and how it went.

    Attributes:
        folder: Where `hgnn.safetensors`, `hgnn.json` and `curve.json` lie.
        model: The model with its best weights.
        steps: Steps taken.
        best_step: Step whose weights were kept.
        best_loss: Validation loss there; None where there was nothing to validate on.
        curve: One mapping per evaluation: step, train_loss and, where there is something to
            validate on, validation_loss of all relations and of each.
        seconds: Time this call took; 0.0 if it found the finished model.
    """

    folder: Path
    model: HGNN
    steps: int
    best_step: int
    best_loss: float | None
    curve: list[dict[str, float]]
    seconds: float

    def metrics(self) -> dict[str, float]:
        """What a pipeline logs of the training."""
        figures = {"steps": float(self.steps), "best_step": float(self.best_step)}
        if self.best_loss is not None:
            figures["validation_loss"] = self.best_loss
        if self.curve:
            figures["train_loss"] = self.curve[-1]["train_loss"]
        return figures


def train_hgnn(
    graph: CoListeningGraph, text: np.ndarray, settings: Settings, *, out: Path
) -> HGNNResult:
    """Train on a graph and write the model to `out`.

    Called again with the same inputs it returns the finished model, or goes on from the last
    checkpoint with a result equal to that of an undisturbed run. Other inputs start afresh. A
    graph without edges gives an untrained model, whose vectors follow the text alone.

    Args:
        graph: Edges to learn from.
        text: float32 [num_items, d], in catalogue order; zero rows where an item has no text.
        settings: `hgnn`, `seed` and `threads`.
        out: Folder of the result.

    Raises:
        TrainingError: Inputs do not fit, or the loss stopped being finite.
    """
    started = time.monotonic()
    check_inputs(graph, text)
    options = settings.hgnn
    if len(options.fanouts) != options.layers:
        raise TrainingError(
            f"hgnn.layers is {options.layers} but hgnn.fanouts has {len(options.fanouts)} numbers.",
            "Give one fan-out per layer.",
        )
    key = _key(graph, text, settings)
    if (finished := _finished(out, key)) is not None:
        log.info("model found, not trained again", folder=str(out))
        return finished
    sweep_partials(out)

    with deterministic(settings.threads, settings.seed):
        edges = SupervisedEdges.of(graph)
        train, held_out = edges.split(options.validation_share, settings.seed)
        _warn_of_gaps(edges, text)
        model = HGNN(text.shape[1], graph.item_types, options)
        model.start_from(text)
        optimizer = _optimizer(model, options)
        loader = MultiLinkNeighborLoader(
            graph,
            options.fanouts,
            train,
            batch_size=options.batch_size,
            balance=options.balance,
            weighted=options.weighted_neighbours,
            weighted_edges=options.weighted_edges,
            num_negatives=options.negatives if options.loss == "margin" else 0,
            seed=settings.seed,
        )
        # Of all edges: an item whose only edge is held out is a rare one, not an impossible one.
        log_q = _log_frequencies(edges, options)
        validation = _validation_batch(loader, held_out, settings.seed)
        state: dict[str, Any] = {"step": 0, "best_step": 0, "best_loss": None, "curve": []}
        best = copy_state(model)
        if (saved := _resume(out / CHECKPOINT, key)) is not None:
            tensors, state = saved
            model.load_state_dict(under("model", tensors))
            load_adam(optimizer, under("adam", tensors))
            best = under("best", tensors)
            log.info("training goes on", step=state["step"])

        last = options.max_steps if len(loader) else 0
        losses: list[float] = []
        pairs, reported = 0, time.monotonic()
        stopped = _stopped(state, options)
        for step in track(range(state["step"], 0 if stopped else last), "training HGNN", last):
            batch = loader.batch(*divmod(step, len(loader)))
            model.train()
            optimizer.zero_grad(set_to_none=True)
            loss = _loss(model, batch, text, log_q, options)[0]
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
            if not np.isfinite(losses[-1]):
                raise TrainingError(
                    f"The HGNN's loss became {losses[-1]} at step {step + 1}.",
                    "Lower hgnn.learning_rate.",
                )
            pairs += batch.num_pairs
            if (waited := time.monotonic() - reported) > LOG_SECONDS:
                log.info("training", step=step + 1, of=last, pairs_per_second=round(pairs / waited))
                pairs, reported = 0, time.monotonic()

            if (step + 1) % options.evaluate_every and step + 1 < last:
                continue
            state["step"] = step + 1
            point = _evaluate(model, validation, text, log_q, options)
            point = {"step": step + 1, "train_loss": float(np.mean(losses)), **point}
            losses = []
            state["curve"].append(point)
            score = point.get("validation_loss")
            if score is None or state["best_loss"] is None or score < state["best_loss"]:
                state["best_step"], state["best_loss"] = step + 1, score
                best = copy_state(model)
            tensors = prefixed("model", model.state_dict()) | prefixed("best", best)
            tensors |= prefixed("adam", adam_tensors(optimizer))
            write_tensors(out / CHECKPOINT, tensors, {**state, "key": key})
            log.info("evaluated", **point, best_step=state["best_step"])
            if _stopped(state, options):
                break

        model.load_state_dict(best)
        _write(out, model, state, key)
    model.eval()
    return _result(out, model, state, time.monotonic() - started)


def load_hgnn(folder: Path) -> HGNN:
    """Read the model that `train_hgnn` wrote.

    Raises:
        TrainingError: A file is missing, damaged or of another format.
    """
    return _load(folder)[0]


def _loss(
    model: HGNN,
    batch: MultiLinkBatch,
    text: np.ndarray,
    log_q: dict[RelationName, tuple[Tensor, Tensor]],
    options: HGNNSettings,
) -> tuple[Tensor, dict[RelationName, Tensor]]:
    """Mean over relations, and each relation's own loss."""
    around = batch.neighbourhood
    vectors = model(torch.from_numpy(text[around.inputs]), around)
    seeds = torch.from_numpy(around.seeds)
    losses = {}
    for name, numbers in batch.pairs.items():
        pairs = torch.from_numpy(numbers)
        if options.loss == "softmax":
            first, second = log_q[name]
            frequency = first[seeds], second[seeds]
            losses[name] = torch.stack(
                [
                    softmax_loss(vectors, part, frequency, options.temperature)
                    for part in torch.split(pairs, options.in_batch)
                ]
            ).mean()
        else:
            negatives = torch.from_numpy(batch.negatives[name])
            losses[name] = margin_loss(vectors, pairs, negatives, options.margin)
    return torch.stack(list(losses.values())).mean(), losses


@torch.no_grad()
def _evaluate(
    model: HGNN,
    batch: MultiLinkBatch | None,
    text: np.ndarray,
    log_q: dict[RelationName, tuple[Tensor, Tensor]],
    options: HGNNSettings,
) -> dict[str, float]:
    if batch is None:
        return {}
    model.eval()
    mean, losses = _loss(model, batch, text, log_q, options)
    named = {f"validation_{'_'.join(name)}": loss.item() for name, loss in losses.items()}
    return {"validation_loss": mean.item(), **named}


def _validation_batch(
    loader: MultiLinkNeighborLoader, held_out: SupervisedEdges, seed: int
) -> MultiLinkBatch | None:
    """The same held-out pairs with the same neighbours at every evaluation."""
    if not held_out.relations:
        return None
    rng = np.random.default_rng([seed, 2])
    pairs = {}
    for name in held_out.relations:
        every = held_out.pairs[name]
        size = min(len(every), MAX_VALIDATION_PAIRS)
        pairs[name] = every[rng.choice(len(every), size, replace=False)]
    return loader.collate(pairs, rng)


def _log_frequencies(
    edges: SupervisedEdges, options: HGNNSettings
) -> dict[RelationName, tuple[Tensor, Tensor]]:
    frequencies = edges.frequencies(weighted=options.weighted_edges)

    def log_share(frequency: np.ndarray) -> Tensor:
        logarithm = options.log_q * np.log(np.maximum(frequency, MIN_FREQUENCY))
        return torch.from_numpy(logarithm.astype(np.float32))

    return {name: (log_share(a), log_share(b)) for name, (a, b) in frequencies.items()}


def _optimizer(model: HGNN, options: HGNNSettings) -> torch.optim.Adam:
    project = [part for name, part in model.named_parameters() if name.startswith("project.")]
    others = [part for name, part in model.named_parameters() if not name.startswith("project.")]
    groups: list[dict[str, Any]] = [{"params": others}]
    if project:
        groups.append({"params": project, "lr": options.learning_rate * PROJECT_RATE})
    return torch.optim.Adam(groups, lr=options.learning_rate)


def _stopped(state: dict[str, Any], options: HGNNSettings) -> bool:
    """Whether `patience` evaluations in a row brought nothing better."""
    since = [point for point in state["curve"] if point["step"] > state["best_step"]]
    return len(since) >= options.patience


def _warn_of_gaps(edges: SupervisedEdges, text: np.ndarray) -> None:
    for name, pairs in edges.pairs.items():
        if not len(pairs):
            log.warning("relation has no edges, nothing is learned from it", relation=name)
    if not edges.num_pairs:
        log.warning("graph has no edges, the model stays untrained and follows the text alone")
    if not text.any():
        log.warning("no item has a text vector, so vectors tell little apart")


def _key(graph: CoListeningGraph, text: np.ndarray, settings: Settings) -> str:
    """Digest of everything the result depends on."""
    digest = hashlib.sha256(np.ascontiguousarray(text).data)
    parts = [
        FORMAT,
        graph.digest(),
        list(text.shape),
        settings.hgnn.model_dump(mode="json"),
        settings.seed,
        settings.threads,
        torch.__version__,
    ]
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()


def _resume(file: Path, key: str) -> tuple[Tensors, dict[str, Any]] | None:
    if not file.exists():
        return None
    tensors, state = read_tensors(file)
    if state.pop("key") != key:
        log.info("checkpoint is of other inputs, training starts afresh", file=str(file))
        return None
    return tensors, state


def _write(out: Path, model: HGNN, state: dict[str, Any], key: str) -> None:
    card = {
        "format": FORMAT,
        "text_dim": model.text_dim,
        "item_types": list(model.item_types),
        "settings": model.settings.model_dump(mode="json"),
        "steps": state["step"],
        "best_step": state["best_step"],
        "best_loss": state["best_loss"],
        "key": key,
    }
    write_tensors(out / WEIGHTS, model.state_dict(), {"key": key})
    for name, content in ((CURVE, state["curve"]), (CARD, card)):
        # The card comes last: where it is, the rest is whole.
        with write_aside(out / name) as aside:
            aside.write_text(json.dumps(content, indent=2) + "\n")
    (out / CHECKPOINT).unlink(missing_ok=True)


def _finished(out: Path, key: str) -> HGNNResult | None:
    try:
        model, card = _load(out)
        curve = json.loads((out / CURVE).read_text())
    except (TrainingError, OSError, ValueError):
        return None
    state = {**card, "step": card["steps"], "curve": curve}
    return _result(out, model, state, 0.0) if card["key"] == key else None


def _load(folder: Path) -> tuple[HGNN, dict[str, Any]]:
    try:
        card = json.loads((folder / CARD).read_text())
        if card["format"] != FORMAT:
            raise TrainingError(f"{folder} holds HGNN format {card['format']}, not {FORMAT}.")
        tensors, state = read_tensors(folder / WEIGHTS)
        if state["key"] != card["key"]:
            raise TrainingError(f"{folder / WEIGHTS} is not of {CARD}.", "Train again.")
        options = HGNNSettings.model_validate(card["settings"])
        model = HGNN(card["text_dim"], tuple(card["item_types"]), options)
        model.load_state_dict(tensors)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise TrainingError(f"Cannot read an HGNN from {folder}: {error}.") from error
    return model.eval(), card


def _result(out: Path, model: HGNN, state: dict[str, Any], seconds: float) -> HGNNResult:
    return HGNNResult(
        out,
        model,
        state["step"],
        state["best_step"],
        state["best_loss"],
        state["curve"],
        round(seconds, 3),
    )
