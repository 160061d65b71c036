"""Training the HGNN, top to bottom.

A step: draw pairs of every relation and their neighbourhoods, compute the vectors of all ends
once, add up each relation's loss with equal weight, step Adam. Every `evaluate_every` steps the
same held-out pairs are scored and the best weights are kept. All draws follow from (seed, step),
so a killed run goes on from its checkpoint as if nothing had happened. Under `torchrun` each
process takes its share of every batch (`launch.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch

from colisten.errors import TrainingError
from colisten.files import sweep_partials
from colisten.graph.graph import CoListeningGraph
from colisten.logs import logger
from colisten.models.hgnn import HGNN, check_inputs
from colisten.progress import track
from colisten.sampling.multilink import MultiLinkBatch, MultiLinkNeighborLoader, Negatives
from colisten.sampling.supervision import SupervisedEdges
from colisten.settings.sections import HGNNSettings
from colisten.threads import worth
from colisten.training.checkpoint import deterministic
from colisten.training.distributed import World, world
from colisten.training.hgnn.files import (
    HGNNResult,
    finished_hgnn,
    training_key,
    write_hgnn,
)
from colisten.training.hgnn.state import TrainingState
from colisten.training.hgnn.validation import HeldOut, Objective, hold_out, validation_batch

LOG_SECONDS = 10.0

log = logger("hgnn")


def train_hgnn(
    graph: CoListeningGraph,
    text: np.ndarray,
    settings: HGNNSettings = HGNNSettings(),
    *,
    seed: int = 0,
    threads: int = 2,
    out: Path,
    validation_from: int | None = None,
) -> HGNNResult:
    """Train on a graph and write the model to `out`.

    Called again with the same inputs it returns the finished model, or goes on from the last
    checkpoint with a result equal to that of an undisturbed run. Other inputs start afresh. A
    graph without edges gives an untrained model, whose vectors follow the text alone. The graph
    and the text may be memory-mapped.

    Args:
        graph: Edges to learn from.
        text: float16 or float32 [num_items, d], in catalogue order; zero rows where an item has
            no text.
        settings: Of the model and its training.
        seed: Of everything random.
        threads: Of torch; they decide the last bits. A small graph is trained with one.
        out: Folder of the result, one for all processes.
        validation_from: Microseconds since 1970 UTC; with `hgnn.validation: time` no weight learns
            from an edge of that moment or later. Whoever validates on events from then on wants
            that.

    Raises:
        TrainingError: Inputs do not fit, or the loss stopped being finite.
    """
    check_inputs(graph, text)
    if len(settings.fanouts) != settings.layers:
        raise TrainingError(
            f"hgnn.layers is {settings.layers} but hgnn.fanouts has "
            f"{len(settings.fanouts)} numbers.",
            "Give one fan-out per layer.",
        )
    with world(settings.device) as among:
        exact = among.device.type == "cpu"
        # Every item's text may be read in every step.
        shared = worth(text.shape[0], text.shape[1], threads)
        with deterministic(shared, seed, exact=exact):
            key = training_key(graph, text, settings, seed, threads, among.size)
            key += "" if validation_from is None else f"-{validation_from}"
            return _train(graph, text, settings, seed, out, among, validation_from, key)


def _train(
    graph: CoListeningGraph,
    text: np.ndarray,
    settings: HGNNSettings,
    seed: int,
    out: Path,
    among: World,
    validation_from: int | None,
    key: str,
) -> HGNNResult:
    started = time.monotonic()
    finished = finished_hgnn(out, key)
    # The first that goes on may take the model away: nobody does before all have looked.
    among.wait()
    if finished is not None:
        log.info("model found, not trained again", folder=str(out))
        return finished
    if among.writes:
        sweep_partials(out)

    held = hold_out(graph, settings, seed, validation_from)
    _warn_of_gaps(held.train, text)
    ids = (graph.num_items, graph.ids_digest)
    model = HGNN(text.shape[1], graph.item_types, graph.relations, settings, ids)
    model.start_from(text)
    state = TrainingState(model.to(among.device), settings, out, key)
    state.resume()
    among.wait()
    _learn(state, held, text, settings, seed, among)
    model = state.finish()
    if among.writes:
        write_hgnn(out, state)
        state.file.unlink(missing_ok=True)
    among.wait()
    seconds = round(time.monotonic() - started, 3)
    return HGNNResult(
        out, model, state.step, state.best_step, state.best_loss, state.curve, seconds
    )


def _learn(
    state: TrainingState,
    held: HeldOut,
    text: np.ndarray,
    settings: HGNNSettings,
    seed: int,
    among: World,
) -> None:
    """The loop: step after step until the last, or until nothing gets better."""
    loader = _loader(held, settings, seed, among)
    objective = Objective(held.every, settings, text, among.device)
    validation = validation_batch(loader, held.aside, seed)
    network = among.wrap(state.model)
    last = settings.max_steps if len(loader) else 0
    first = last if state.stopped else state.step
    meter, spent = Meter(last), list[float]()
    batches = _batches(loader, first, last, meter)
    for batch in track(batches, "training HGNN", last - first, note=lambda: meter.note):
        # Dropout of ids is drawn anew from (seed, step), so that a resumed run draws the same.
        torch.manual_seed(seed * 1_000_003 + state.step)
        network.train()
        state.clear_gradients()
        began = time.monotonic()
        state.learn(objective(network, batch))
        spent.append(time.monotonic() - began)
        meter.count(state.step, batch.num_pairs * among.size)
        measured = state.step % settings.evaluate_every == 0 or state.step == last
        if measured:
            state.measured(objective.evaluate(state.model, validation))
        if among.writes:
            state.save(now=measured)
        if among.agree(measured and state.stopped):
            break
    if spent:
        log.info("HGNN trained", steps=state.step, step_ms=round(1000 * median(spent), 1))


def _loader(
    held: HeldOut, settings: HGNNSettings, seed: int, among: World
) -> MultiLinkNeighborLoader:
    return MultiLinkNeighborLoader(
        held.messages,
        settings.fanouts,
        held.train,
        batch_size=settings.batch_size,
        balance=held.balance(settings),
        weighted=settings.weighted_neighbours,
        weighted_edges=settings.weighted_edges,
        negatives=_negatives(settings),
        num_negatives=settings.negatives if settings.loss == "margin" else 0,
        temporal=settings.temporal,
        edge_weights=settings.aggregation == "weighted",
        seed=seed,
        rank=among.rank,
        world_size=among.size,
        num_workers=settings.workers,
    )


class Meter:
    """Pairs per second, and how much of the time the loop waited for batches."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.note = ""
        self.waited = 0.0
        self._pairs = 0
        self._since = time.monotonic()

    def count(self, step: int, pairs: int) -> None:
        """Count a step; every `LOG_SECONDS` say how fast it goes."""
        self._pairs += pairs
        passed = time.monotonic() - self._since
        speed, waiting = round(self._pairs / max(passed, 1e-9)), self.waited / max(passed, 1e-9)
        self.note = f"{speed} pairs/s, {waiting:.0%} waiting"
        if passed > LOG_SECONDS:
            share = round(waiting, 3)
            log.info(
                "training", step=step, of=self.last, pairs_per_second=speed, waiting_share=share
            )
            self._pairs, self.waited, self._since = 0, 0.0, time.monotonic()


def _batches(
    loader: MultiLinkNeighborLoader, first: int, last: int, meter: Meter
) -> Iterator[MultiLinkBatch]:
    """The batches of steps first to last, epoch after epoch."""
    step = first
    while step < last:
        epoch, start = divmod(step, len(loader))
        batches = loader.dense(epoch, start)
        while step < last:
            asked = time.monotonic()
            batch = next(batches, None)
            meter.waited += time.monotonic() - asked
            if batch is None:
                break
            yield batch
            step += 1


def _negatives(settings: HGNNSettings) -> Negatives:
    if settings.loss == "softmax":
        # Uniform negatives of which none are drawn leave the whole batch to compete.
        return "in_batch" if settings.mask_neighbours else "uniform"
    return "hard" if settings.hard_negatives else "uniform"


def _warn_of_gaps(edges: SupervisedEdges, text: np.ndarray) -> None:
    for name, pairs in edges.pairs.items():
        if not len(pairs):
            log.warning("relation has no edges, nothing is learned from it", relation=name)
    if not edges.num_pairs:
        log.warning("graph has no edges, the model stays untrained and follows the text alone")
    if not text.any():
        log.warning("no item has a text vector, so vectors tell little apart")
