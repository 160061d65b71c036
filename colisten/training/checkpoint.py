"""Checkpoints in one file that appears whole or not at all: tensors and a JSON state, no pickle."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from colisten.errors import TrainingError
from colisten.files import write_aside
from colisten.json_files import parse_json, to_json

Tensors = dict[str, Tensor]


def write_tensors(file: Path, tensors: Tensors, state: dict[str, Any]) -> None:
    """Write tensors and a JSON-able state as one safetensors file."""
    with write_aside(file) as aside:
        contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        # One metadata entry only: safetensors does not promise their order, and bytes must repeat.
        save_file(contiguous, aside, {"state": to_json(state, finite=True)})


def read_tensors(file: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises:
        TrainingError: The file is missing or damaged.
    """
    try:
        with safe_open(file, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            state: dict[str, Any] = parse_json(
                (stored.metadata() or {})["state"], name=f"The state of {file}"
            )
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise TrainingError(f"Cannot read {file}: {error}.", "Train again.") from error
    return tensors, state


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """Copies of tensors under `prefix.name`."""
    return {f"{prefix}.{name}": tensor.detach().clone() for name, tensor in tensors.items()}


def under(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors that `prefixed` put under `prefix`, by their own names."""
    start = f"{prefix}."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }


def adam_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Adam's moments and step counts by parameter number."""
    return {
        f"{number}.{name}": torch.as_tensor(value)
        for number, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def load_adam(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Put what `adam_tensors` took back into an optimizer of the same parameters."""
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, field = name.split(".", 1)
        # SparseAdam counts its steps in a plain number.
        plain = field == "step" and isinstance(optimizer, torch.optim.SparseAdam)
        state.setdefault(int(number), {})[field] = int(tensor) if plain else tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


@contextmanager
def deterministic(threads: int, seed: int, *, exact: bool = True) -> Iterator[None]:
    """Seeded torch with a fixed number of threads and repeatable kernels, restored at the end.

    Args:
        exact: Refuse kernels whose results do not repeat; on a GPU some have no other form.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(exact)
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            torch.use_deterministic_algorithms(before[1])


def copy_state(model: nn.Module) -> Tensors:
    """A detached copy of a model's weights."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
