"""Trainings to run side by side, as a pipeline takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from colisten.json_files import read_json, write_json
from colisten.steps.artifacts.base import Artifact


@dataclass(frozen=True)
class TrialList(Artifact):
    """One JSON file: too large for a parameter, of which Kubeflow takes 10,000 characters.

    Attributes:
        trials: A mapping each: `model`, `blocks`, `beside`, and `<step>_settings` of its steps.
    """

    trials: Sequence[Mapping[str, str]]

    def _write(self, place: Path) -> None:
        write_json(place, list(self.trials))

    @classmethod
    def _read(cls, place: Path) -> Self:
        trials = read_json(place)
        if not isinstance(trials, list) or not all(
            isinstance(one, dict) and all(isinstance(value, str) for value in one.values())
            for one in trials
        ):
            raise ValueError("it holds no list of trials")
        return cls(trials)
