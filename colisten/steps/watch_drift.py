"""Step: how users, what they listen to and what they are shown drift under the live release."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from colisten.settings.engine import Engine
from colisten.settings.monitoring import MonitoringSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.tables import History
from colisten.steps.artifacts.vectors import TextVectors
from colisten.steps.settings import Setting


class Watched(NamedTuple):
    """The drift report."""

    drift: HtmlPage
    metrics: Metrics


def watch_drift(
    history: History,
    features: Features,
    text: TextVectors,
    cut: datetime,
    window_days: int,
    home: Path,
    *,
    monitoring: MonitoringSettings,
    max_chars: Annotated[int, Setting("text.max_chars")],
    seed: int,
    engine: Engine,
) -> Watched:
    """Judge the window before the cut beside those before it, under the live release.

    Args:
        history: Checked tables.
        features: Feast repository.
        text: Text vectors.
        cut: End of the window.
        window_days: Days of each.
        home: Folder that owns the releases and the reports.

    Raises:
        ReleaseError: Nothing is live, or it cannot be read.
        ReportError: An alert fires that `monitoring.fail_on` asks for; the report is written.
    """
    from colisten.release.store import ReleaseStore
    from colisten.steps.kept_reports import fail_on_drift, keep_drift

    live = ReleaseStore(home).resolve()
    drawn = monitoring.evidently != "never"
    drift, figures = drift_of(
        history,
        features,
        text,
        live,
        cut,
        window_days,
        home,
        max_chars=max_chars,
        evidently=drawn,
        seed=seed,
        engine=engine,
    )
    keep_drift(home, cut, monitoring.keep_runs)
    fail_on_drift(home, monitoring.fail_on)
    return Watched(drift, Metrics(figures))


def drift_of(
    history: History,
    features: Features,
    text: TextVectors,
    release_id: str,
    cut: datetime,
    window_days: int,
    home: Path,
    *,
    max_chars: int,
    evidently: bool,
    seed: int,
    engine: Engine,
) -> tuple[HtmlPage, dict[str, float]]:
    """Judge a window; write `reports/drift.html`, its JSON and, if asked, Evidently's page.

    Args:
        history: Checked tables.
        features: Feast repository.
        text: Text vectors.
        release_id: That users are seen under.
        cut: End of the window.
        window_days: Days of each.
        home: Folder that owns the releases and the reports.
        max_chars: Of a text that the encoder sees.
        evidently: Whether Evidently draws a page as well, `reports/drift_evidently.html`.
        seed: Of the sample that it is shown of large windows.
        engine: How much of the machine may be used.

    Returns:
        The page and figures.

    Raises:
        ReleaseError: The release cannot be read.
    """
    from colisten.errors import ReportError
    from colisten.logs import logger
    from colisten.monitoring.watch import Subject, watch_window

    page = home / "reports" / "drift.html"
    subject = Subject.of(home, release_id, history.folder, history.catalogue, features.open())
    subject = subject.told(text.vectors, text.golden, max_chars)
    watched = watch_window(subject, cut, window_days, page, engine)
    report = watched.report
    beside = page.with_name("drift_evidently.html")
    beside.unlink(missing_ok=True)  # one of an earlier window would stand beside this one's page
    if evidently:
        from colisten.monitoring.evidently_drift import evidently_page

        try:
            evidently_page(*watched.frames, report, beside, seed=seed)
        except ReportError as error:
            logger("report").warning("Evidently draws no page", reason=str(error))
    return HtmlPage(page), {
        "users_now": float(watched.report.users),
        "columns": float(len(report.columns)),
        "drifted_columns": float(len(report.drifted)),
        "checks": float(len(report.checks)),
        "moved": float(sum(one.moved for one in report.checks)),
    }
