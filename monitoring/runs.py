"""The figures of the reports that were made, one small file a run: what alerts and the UI read.

A report's JSON is that of the last run; `OUT/reports/runs/REPORT/` keeps those before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from colisten.data.moments import parse_moment
from colisten.errors import ConfigError
from colisten.json_files import read_mapping, to_json, write_json
from colisten.settings.alerts import Report

RUNS = "runs"
_NAME_CHARS = 20


@dataclass(frozen=True)
class ReportRun:
    """One run of a report.

    Attributes:
        report: Which report.
        key: What the run is of: a later one of the same key is the same run made again.
        moment: What it is as of, the order of runs; None where it cannot be read.
        figures: The report's JSON; None where it cannot be read.
        fault: Why it cannot be read.
        digest: Of the file's bytes.
    """

    report: Report
    key: str
    moment: datetime | None
    figures: Mapping[str, Any] | None
    fault: str = ""
    digest: str = ""


def record_run(
    home: Path,
    report: Report,
    figures: Mapping[str, Any],
    *,
    keep: int,
    moment: datetime | None = None,
    key: str | None = None,
) -> Path:
    """Keep the figures of a report that was just written, and drop those that are too many.

    Args:
        home: Folder of a run, with its reports.
        report: Which.
        figures: Its JSON.
        keep: How many runs of it are kept, the newest.
        moment: What it is as of; None: now.
        key: What it is of; a run of the same key is replaced. None: the moment where one is
            given, else the figures themselves.

    Returns:
        The file.
    """
    if key is None:
        key = to_json(figures, sort=True) if moment is None else moment.isoformat()
    moment = moment or datetime.now(UTC)
    name = hashlib.sha256(key.encode()).hexdigest()[:_NAME_CHARS]
    file = _folder(home, report) / f"{name}.json"
    write_json(file, {"moment": moment.isoformat(), "figures": figures})
    for old in kept_runs(home, report)[keep:]:
        (_folder(home, report) / f"{old.key}.json").unlink(missing_ok=True)
    return file


def kept_runs(home: Path, report: Report) -> list[ReportRun]:
    """The runs of a report whose figures are kept, the newest first; unreadable ones come first.

    A run that cannot be read may be the newest one: nobody knows.
    """
    runs = [_read(file, report, file.stem) for file in _folder(home, report).glob("*.json")]
    return sorted(runs, key=_newest_first)


def latest_run(home: Path, report: Report) -> ReportRun | None:
    """What a report's own file says, whoever wrote it; None where there is none."""
    file = home / "reports" / f"{report}.json"
    if not file.exists():
        return None
    return _read(file, report, "")


def runs_of(home: Path, report: Report) -> list[ReportRun]:
    """Every run that is known, the newest first; the first is what the report's own file says."""
    kept, latest = kept_runs(home, report), latest_run(home, report)
    if latest is None:
        # The report is gone, whatever was kept of those before it.
        return []
    same = [run for run in kept if run.figures is not None and run.figures == latest.figures]
    first = same[0] if same else latest
    return [first, *(run for run in kept if run is not first)]


def _folder(home: Path, report: Report) -> Path:
    return home / "reports" / RUNS / report


def _read(file: Path, report: Report, key: str) -> ReportRun:
    """A run, or why it cannot be read: that is news as well."""
    try:
        content = file.read_bytes()
        tree = read_mapping(file)
        figures = tree["figures"] if key else tree
        said = tree["moment"] if key else _moment_of(tree)
        if not isinstance(figures, Mapping):
            raise ValueError(f"{file} holds no figures.")
        moment = None if said is None else parse_moment(said, f"The moment of {file.name}")
    except (OSError, ValueError, KeyError, ConfigError) as error:
        return ReportRun(report, key, None, None, fault=str(error)[:500])
    digest = hashlib.sha256(content).hexdigest()
    return ReportRun(report, key, moment, figures, digest=digest)


def _moment_of(figures: Mapping[str, Any]) -> Any:
    """What a report is as of, by its own word."""
    for name in ("until", "as_of", "made_at"):
        if isinstance(figures.get(name), str):
            return figures[name]
    return None


def _newest_first(run: ReportRun) -> tuple[bool, float, str]:
    seconds = 0.0 if run.moment is None else run.moment.timestamp()
    return run.moment is not None, -seconds, run.key
