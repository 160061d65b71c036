"""One training process among several that `torchrun` started: gloo on CPUs, nccl on GPUs."""

from __future__ import annotations

from colisten.extras import needs

needs("torch")

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from colisten.errors import TrainingError
from colisten.settings.sections import Device
from colisten.words import known_word


@dataclass(frozen=True)
class World:
    """Who trains together.

    Attributes:
        rank: This process, from 0; rank 0 writes.
        size: Processes.
        device: Where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def writes(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model whose gradients are averaged over all processes."""
        if self.size == 1:
            return model
        # A batch without pairs of some relation leaves that relation's weights untouched.
        return DistributedDataParallel(model, find_unused_parameters=True)

    def agree(self, decision: bool) -> bool:
        """Rank 0's decision, on every rank."""
        if self.size == 1:
            return decision
        answer = torch.tensor([int(decision)], device=self.device)
        distributed.broadcast(answer, 0)
        return bool(answer.item())

    def wait(self) -> None:
        """Until every process is here, so that what rank 0 wrote is there for all."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def world(device: str) -> Iterator[World]:
    """Join the processes that `torchrun` announces in the environment; alone without them.

    Args:
        device: "auto" takes CUDA where there is one, else "cpu" or "cuda".

    Raises:
        TrainingError: CUDA is asked for and there is none, or the device is none of the three.
    """
    known_word("hgnn.device", device, get_args(Device), TrainingError)
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise TrainingError("hgnn.device is cuda, but there is no CUDA device.", "Set it to auto.")
    local = int(os.environ.get("LOCAL_RANK", 0))
    place = torch.device(f"cuda:{local}" if cuda and device != "cpu" else "cpu")
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield World(0, 1, place)
        return
    ours = not distributed.is_initialized()
    if ours:
        distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield World(distributed.get_rank(), distributed.get_world_size(), place)
    finally:
        if ours:
            distributed.destroy_process_group()
