"""The section of user folds."""

from __future__ import annotations

from pydantic import Field

from colisten.settings.section import Section


class CrossFittingSettings(Section):
    """How training examples are kept from vectors that their own answers shaped."""

    folds: int = Field(
        5,
        ge=2,
        description="User folds: a training example sees item vectors from a graph without its "
        "own user's fold.",
    )
