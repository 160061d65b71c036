"""What a training chose between, by which figures: kept beside the weights, in `choices.json`.

A training that tries a model in more than one form says so here: what was asked, what every form
reached on users held out, which one it took and why. A release carries it in its manifest.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from colisten.errors import TrainingError
from colisten.json_files import read_model, write_json

CHOICES = "choices.json"


class Figures(BaseModel):
    """What one candidate reached on users held out.

    Attributes:
        mrr: Mean reciprocal rank.
        error: Its standard error.
        users: How many it was measured on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mrr: float = Field(allow_inf_nan=False)
    error: float = Field(ge=0, allow_inf_nan=False)
    users: int = Field(ge=0)


class Choice(BaseModel):
    """One question that a training settled by measuring.

    Attributes:
        question: In words, such as "Does the graph help?".
        chosen: The candidate that was taken, as `candidates` calls it.
        reason: Why, in a sentence.
        candidates: Figures of each, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    chosen: str
    reason: str
    candidates: dict[str, Figures]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: tuple[Choice, ...]


def write_choices(folder: Path, choices: tuple[Choice, ...]) -> None:
    """Write a towers folder's choices.json; the same bytes for the same choices."""
    write_json(folder / CHOICES, _File(choices=choices))


def read_choices(folder: Path) -> tuple[Choice, ...]:
    """The choices of a towers folder, in the order in which they were made.

    Returns:
        None of them where there is no choices.json, as in folders of older versions.

    Raises:
        TrainingError: The file cannot be read, or is another.
    """
    file = folder / CHOICES
    try:
        return read_model(file, _File).choices
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"Cannot read the choices of a training in {file}: {error}.", "Train the towers again."
        ) from error
