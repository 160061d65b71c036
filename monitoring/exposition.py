"""Alerts as Prometheus reads them: text for the textfile collector of its node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from colisten.files import write_aside
from colisten.monitoring.alerts import Alert
from colisten.shown import plain

# Text format 0.0.4: what a label's value may not hold as it is.
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_MOST_CHARS = 200


def exposition(alerts: Sequence[Alert], now: datetime) -> str:
    """Every alert as a gauge, and when they were looked at: a check that stops is seen by its age.

    Args:
        alerts: Of one check; their names differ.
        now: Its moment.
    """
    return "".join(
        [
            *_family(
                "colisten_alert_firing",
                "Whether an alert of `colisten monitor check` fires.",
                ((_labels(alert), float(alert.fires)) for alert in alerts),
            ),
            *_family(
                "colisten_alert_runs",
                "Reports in a row for which the rule holds.",
                ((_labels(alert), float(alert.runs)) for alert in alerts),
            ),
            *_family(
                "colisten_alerts_checked_timestamp_seconds",
                "When the rules were last looked at, seconds since 1970.",
                [("", now.timestamp())],
            ),
        ]
    )


def write_exposition(file: Path, alerts: Sequence[Alert], now: datetime) -> None:
    """Write the text whole or not at all: a collector may read at any time."""
    with write_aside(file) as aside:
        aside.write_text(exposition(alerts, now), encoding="utf-8", newline="\n")
        aside.chmod(0o644)  # the exporter is somebody else


def _family(name: str, says: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {says}\n# TYPE {name} gauge\n"
    for labels, value in samples:
        yield f"{name}{labels} {value!r}\n"


def _labels(alert: Alert) -> str:
    pairs = {"alert": alert.name, "report": alert.report, "severity": alert.severity}
    shown = (f'{name}="{_value(value)}"' for name, value in pairs.items())
    return f"{{{','.join(shown)}}}"


def _value(text: str) -> str:
    return plain(text)[:_MOST_CHARS].translate(_ESCAPED)
