"""A trained HGNN on disk: weights, card, learning curve."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from colisten.errors import TrainingError
from colisten.graph.graph import CoListeningGraph
from colisten.json_files import read_json, read_mapping, to_json, write_json
from colisten.models.hgnn import HGNN
from colisten.settings.sections import HGNNSettings
from colisten.training.checkpoint import read_tensors, write_tensors
from colisten.training.hgnn.state import TrainingState

WEIGHTS = "hgnn.safetensors"
CARD = "hgnn.json"
CURVE = "curve.json"
FORMAT = 3
# Rows of the text vectors digested at once.
BLOCK = 1 << 16


@dataclass(frozen=True)
class HGNNResult:
    """A trained HGNN and how it went.

    Attributes:
        folder: Where `hgnn.safetensors`, `hgnn.json` and `curve.json` lie.
        model: The model with its best weights, on the CPU.
        steps: Steps taken.
        best_step: Step whose weights were kept.
        best_loss: Validation loss there; None where there was nothing to validate on.
        curve: One mapping per evaluation: step, train_loss and, where there is something to
            validate on, validation_loss and mrr of all relations and of each.
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


def training_key(
    graph: CoListeningGraph,
    text: np.ndarray,
    settings: HGNNSettings,
    seed: int,
    threads: int,
    processes: int,
) -> str:
    """Digest of everything the result depends on; of the batch, its size over all processes."""
    digest = hashlib.sha256()
    for start in range(0, len(text), BLOCK):
        digest.update(np.ascontiguousarray(text[start : start + BLOCK]).data)
    options = settings.model_dump(mode="json")
    options["batch_size"] *= processes
    parts = [
        FORMAT,
        graph.digest(),
        list(text.shape),
        str(text.dtype),
        options,
        seed,
        threads,
        torch.__version__,
    ]
    digest.update(to_json(parts).encode())
    return digest.hexdigest()


def load_hgnn(folder: Path) -> HGNN:
    """Read the model that `train_hgnn` wrote.

    Raises:
        TrainingError: A file is missing, damaged or of another format.
    """
    return _load(folder)[0]


def write_hgnn(out: Path, state: TrainingState) -> None:
    """Write a finished model; the card comes last, so where it is, the rest is whole."""
    model = state.model
    card = {
        "format": FORMAT,
        "text_dim": model.text_dim,
        "item_types": list(model.item_types),
        "relations": [list(name) for name in model.relations],
        "ids": None if model.ids is None else list(model.ids),
        "settings": model.settings.model_dump(mode="json"),
        "steps": state.step,
        "best_step": state.best_step,
        "best_loss": state.best_loss,
        "key": state.key,
    }
    write_tensors(out / WEIGHTS, model.state_dict(), {"key": state.key})
    write_json(out / CURVE, state.curve)
    write_json(out / CARD, card)


def finished_hgnn(out: Path, key: str) -> HGNNResult | None:
    """The model in `out`, if it is whole and was trained on the same inputs."""
    try:
        model, card = _load(out)
        curve = read_json(out / CURVE)
    except (TrainingError, OSError, ValueError):
        return None
    if card["key"] != key:
        return None
    return HGNNResult(out, model, card["steps"], card["best_step"], card["best_loss"], curve, 0.0)


def _load(folder: Path) -> tuple[HGNN, dict[str, Any]]:
    try:
        card = read_mapping(folder / CARD)
        if card["format"] != FORMAT:
            raise TrainingError(f"{folder} holds HGNN format {card['format']}, not {FORMAT}.")
        tensors, state = read_tensors(folder / WEIGHTS)
        if state["key"] != card["key"]:
            raise TrainingError(f"{folder / WEIGHTS} is not of {CARD}.", "Train again.")
        options = HGNNSettings.model_validate(card["settings"])
        ids = None if card["ids"] is None else (int(card["ids"][0]), str(card["ids"][1]))
        relations = [(source, name, node) for source, name, node in card["relations"]]
        model = HGNN(card["text_dim"], tuple(card["item_types"]), relations, options, ids)
        model.load_state_dict(tensors)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise TrainingError(f"Cannot read an HGNN from {folder}: {error}.") from error
    return model.eval(), card
