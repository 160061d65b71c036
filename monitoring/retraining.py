"""The command that an alert's `then` asks for: a run here, or one of a pipeline on the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from colisten.monitoring.alerts import Alert
from colisten.settings.alerts import RetrainTrigger

RETRAIN = "retrain"


def asked_for(alerts: Sequence[Alert]) -> str | None:
    """The pipeline that alerts ask for: retrain where any does, since it does what others do."""
    asked = {alert.then for alert in alerts if alert.fires and alert.then is not None}
    return RETRAIN if RETRAIN in asked else next(iter(asked), None)


def retraining(trigger: RetrainTrigger, pipeline: str, home: Path, now: datetime) -> list[str]:
    """Arguments of `colisten` that start it, all learning up to the midnight before `now`.

    Args:
        trigger: How; of a cluster, or of this machine.
        pipeline: retrain or refresh.
        home: Folder whose release is to follow.
        now: The moment, UTC.
    """
    cut = f"{now:%Y-%m-%d}"
    days = [] if trigger.window_days is None else ["--window-days", str(trigger.window_days)]
    config = [] if trigger.config is None else ["--config", trigger.config]
    if trigger.cluster is not None:
        where = ["--cluster", trigger.cluster, "--source", trigger.data]
        return ["pipeline", "submit", pipeline, *where, "--cut", cut, *days, *config]
    what = ["run"] if pipeline == RETRAIN else ["pipeline", "run", pipeline]
    return [*what, "--data", trigger.data, "--cut", cut, "--out", str(home), *days, *config]
