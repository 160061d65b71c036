"""Step: training rows, joined point-in-time by Feast."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.rows import TrainingRows
from colisten.steps.artifacts.tables import History
from colisten.steps.settings import TypesAndSignals


class Joined(NamedTuple):
    """The rows."""

    rows: TrainingRows
    metrics: Metrics


def build_training_rows(
    history: History, features: Features, as_of: datetime, *, data: TypesAndSignals
) -> Joined:
    """One row per first start of a target item before `as_of`, with what was known just before.

    Args:
        history: Checked tables.
        features: Feast repository.
        as_of: UTC moment; streams at or after it are no examples.

    Raises:
        FeatureError: The store cannot answer.
    """
    import pyarrow.compute as pc

    from colisten.features.starts import first_starts
    from colisten.features.store import training_rows, user_rows

    examples = first_starts(history.folder, as_of=as_of, data=data)
    store = features.open()
    rows = training_rows(store, examples)
    # Once per user, what was known of them at the cut: leave-one-out examples are made of it.
    users = pc.unique(examples.column("user_id")).sort().to_pylist()
    made = TrainingRows(rows, user_rows(store, users, as_of))
    return Joined(made, Metrics({"rows": float(rows.num_rows)}))
