"""What the last check said, kept beside the reports: who was told of what, and what was started.

So that a check every ten minutes posts what is new and what is over, not the same alert each time,
and starts one retraining, not one a check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from colisten.json_files import read_model, write_json
from colisten.monitoring.alerts import Alert
from colisten.shown import plain

STANDING = "monitor/alerts.json"
"""In the folder of a run."""

_MOST_CHARS = 2_000


class Standing(BaseModel):
    """What is known from the checks before.

    Attributes:
        told: Alerts that somebody was told fire, and has not been told are over.
        started: When a retraining was last started; None: never.
    """

    told: tuple[str, ...] = ()
    started: datetime | None = None

    @classmethod
    def read(cls, home: Path) -> Standing:
        """What the last check left; nothing where there was none, or nobody can read it."""
        try:
            return read_model(home / STANDING, cls)
        except (OSError, ValueError, ValidationError):
            # Told again is better than not told.
            return cls()

    def write(self, home: Path, checked: datetime, alerts: Sequence[Alert]) -> Path:
        """Leave it for the next check, with all that this one saw for people and programs."""
        file = home / STANDING
        document = {
            "checked": checked.isoformat(),
            "firing": sum(alert.fires for alert in alerts),
            "alerts": [asdict(alert) for alert in alerts],
            **self.model_dump(mode="json"),
        }
        write_json(file, document)
        return file

    def may_start(self, now: datetime, wait_hours: float) -> bool:
        """Whether the last start is long enough ago."""
        return self.started is None or now - self.started >= timedelta(hours=wait_hours)


@dataclass(frozen=True)
class News:
    """What changed since somebody was last told.

    Attributes:
        firing: Alerts that fire and of which nobody was told.
        over: Names of those that somebody was told of and that fire no more.
    """

    firing: tuple[Alert, ...]
    over: tuple[str, ...]

    @classmethod
    def since(cls, standing: Standing, alerts: Sequence[Alert]) -> News:
        """Of a check, by what was told before."""
        now = {alert.name for alert in alerts if alert.fires}
        return cls(
            tuple(alert for alert in alerts if alert.fires and alert.name not in standing.told),
            tuple(name for name in standing.told if name not in now),
        )

    def __bool__(self) -> bool:
        return bool(self.firing or self.over)

    def message(self, home: Path, started: str | None = None) -> Mapping[str, Any]:
        """What is posted: `text` for people, which chat services show, and the same as fields."""
        lines = [f"[{alert.severity}] {alert.name}: {alert.sentence}" for alert in self.firing]
        lines += [f"[over] {name}" for name in self.over]
        if started is not None:
            lines.append(f"Started: {started}")
        return {
            "text": f"colisten {home}: {'; '.join(map(plain, lines))}"[:_MOST_CHARS],
            "home": str(home),
            "firing": [asdict(alert) for alert in self.firing],
            "over": list(self.over),
            "started": started,
        }
