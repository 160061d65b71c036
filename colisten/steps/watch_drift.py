"""Step: how users, vectors and scores drift under the release that is live."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.models import Towers
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.tables import History


class Watched(NamedTuple):
    """The drift report."""

    drift: HtmlPage
    metrics: Metrics


def watch_drift(
    history: History,
    features: Features,
    cut: datetime,
    window_days: int,
    home: Path,
    *,
    seed: int,
    threads: int,
) -> Watched:
    """Compare the users of the window before the cut with those of the window before that one.

    Args:
        history: Checked tables.
        features: Feast repository.
        cut: End of the later window.
        window_days: Days of each.
        home: Folder that owns the releases and the reports; the live one sees both windows.
        threads: What the step is run with (`execute`); they decide the last bits.

    Raises:
        ReleaseError: Nothing is live, or it cannot be read.
    """
    from colisten.data.moments import days_from
    from colisten.release.store import ReleaseStore

    store = ReleaseStore(home)
    towers = Towers(store.folder(store.resolve()))
    page = home / "reports" / "drift.html"
    earlier = days_from(cut, -window_days)
    drift, figures = drift_between(history, features, towers, earlier, cut, page, seed=seed)
    return Watched(drift, Metrics(figures))


def drift_between(
    history: History,
    features: Features,
    towers: Towers,
    earlier: datetime,
    later: datetime,
    page: Path,
    *,
    seed: int,
) -> tuple[HtmlPage, dict[str, float]]:
    """The drift of the users of the window that ends `later` against that which ends `earlier`.

    Both are as long as what lies between these moments.

    Args:
        history: Checked tables.
        features: Feast repository.
        towers: What sees both windows.
        earlier, later: Ends of the windows.
        page: HTML file to write, with its JSON beside it.
        seed: Of the sample that is drawn of large windows.

    Returns:
        The page, which says why where there is no report, and figures.
    """
    from colisten.errors import ReportError
    from colisten.features.store import users_as_of
    from colisten.logs import logger
    from colisten.monitoring.drift import drift_report
    from colisten.monitoring.drift_features import active_users, drift_features
    from colisten.reports.render import render

    tower, catalogue, store = towers.open(), history.catalogue, features.open()
    frames = []
    for end in (earlier, later):
        people = active_users(history.folder, since=end - (later - earlier), until=end)
        users = users_as_of(store, people.tolist(), end, catalogue.index_of, tower.spec)
        frames.append(drift_features(users, tower))
    figures = {"users_before": float(len(frames[0])), "users_now": float(len(frames[1]))}
    try:
        drift = drift_report(
            frames[0], frames[1], page, until=later, days=(later - earlier) / timedelta(days=1)
        )
    except ReportError as error:
        # A short history has no earlier window; nothing hangs on a report.
        logger("report").warning("no drift report", reason=str(error))
        return HtmlPage(render("message", "No drift report", message=error)), figures
    figures |= {
        "columns": float(len(drift.columns)),
        "drifted_columns": float(len(drift.drifted)),
    }
    return HtmlPage(page), figures
