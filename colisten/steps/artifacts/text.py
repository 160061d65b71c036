"""One value as text: what a step hands on as a parameter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from colisten.steps.artifacts.base import Artifact


@dataclass(frozen=True)
class Text(Artifact):
    """A short text, such as a moment or a digest.

    Attributes:
        value: The text.
    """

    value: str

    def _write(self, place: Path) -> None:
        place.write_text(self.value, encoding="utf-8")

    @classmethod
    def _read(cls, place: Path) -> Self:
        return cls(place.read_text(encoding="utf-8"))
