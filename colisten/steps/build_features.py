"""Step: the feature repository that training rows are joined from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from colisten.settings.engine import Engine
from colisten.settings.sections import FeatureSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.tables import History
from colisten.steps.artifacts.vectors import TextVectors
from colisten.steps.settings import IN_RELEASE, Columns, Setting, Without


class Built(NamedTuple):
    """The repository."""

    features: Features


def build_features(
    history: History,
    text: TextVectors,
    cut: datetime,
    *,
    data: Annotated[Columns, Without("filterable", "text_vectors")],
    # How a mean is taken over a history is the towers' affair; the store keeps the events.
    store: Annotated[FeatureSettings, Setting("features"), Without("half_life_days", *IN_RELEASE)],
    engine: Engine,
    out: Path,
) -> Built:
    """Write Feast's offline sources as of the cut and apply the definitions.

    Args:
        history: Checked tables.
        text: Text vectors.
        cut: UTC moment; no later event enters the sources.

    Raises:
        FeatureError: Feast refuses the definitions.
    """
    from colisten.feature_repo.repo import build_feature_repo

    folder = build_feature_repo(
        history.folder,
        out / "features",
        as_of=cut,
        data=data,
        features=store,
        engine=engine,
        text_vectors=text.vectors,
    )
    return Built(Features(folder))
