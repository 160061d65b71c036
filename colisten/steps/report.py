"""Step: the reports an analyst opens."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.models import Towers
from colisten.steps.artifacts.release import Published
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.tables import History
from colisten.steps.artifacts.vectors import TextVectors
from colisten.steps.settings import TypesAndSignals


class Reported(NamedTuple):
    """The drift report."""

    drift: HtmlPage
    metrics: Metrics


def report(
    history: History,
    features: Features,
    release: Published,
    graph: GraphSet,
    text: TextVectors,
    cut: datetime,
    backtest_cut: datetime,
    home: Path,
    *,
    data: TypesAndSignals,
    seed: int,
    threads: int,
) -> Reported:
    """The release's model card; what the graph looks like; how users, vectors and scores drift.

    Drift is that of the users of the last window against those of the window before it.

    Args:
        history: Checked tables.
        features: Feast repository.
        release: The published release, whose tower sees both windows.
        graph: Graphs; the whole one is described.
        text: Text vectors.
        cut: End of the later window.
        backtest_cut: End of the earlier window, one window before.
        home: Folder that owns the releases and the reports.
        threads: What the step is run with (`execute`); they decide the last bits.

    Raises:
        ReleaseError: The release cannot be read.
    """
    from colisten.errors import ReportError
    from colisten.features.store import users_as_of
    from colisten.graph.report import graph_report
    from colisten.json_files import write_json
    from colisten.logs import logger
    from colisten.monitoring.drift import drift_report
    from colisten.monitoring.drift_features import active_users, drift_features
    from colisten.pages import write_page
    from colisten.release.card import Card
    from colisten.release.store import ReleaseStore
    from colisten.reports.card import to_html as card_page
    from colisten.reports.graph import to_html
    from colisten.reports.render import render

    tower = Towers(ReleaseStore(home).folder(release.release_id)).open()
    catalogue, store = history.catalogue, features.open()
    frames = []
    for end in (backtest_cut, cut):
        people = active_users(history.folder, since=end - (cut - backtest_cut), until=end)
        users = users_as_of(store, people.tolist(), end, catalogue.index_of, tower.spec)
        frames.append(drift_features(users, tower))
    reports = home / "reports"
    described = graph_report(graph.full, text.vectors, catalogue.titles, data=data, seed=seed)
    write_page(reports / "graph.html", to_html(described))
    write_json(reports / "graph.json", described)
    releases = ReleaseStore(home)
    card = Card.read(releases.folder(release.release_id), releases.software(release.release_id))
    write_page(reports / "model_card.html", card_page(card))
    figures = {"users_before": float(len(frames[0])), "users_now": float(len(frames[1]))}
    try:
        drift = drift_report(frames[0], frames[1], reports / "drift.html", seed=seed)
    except ReportError as error:
        # A short history has no earlier window; a release does not hang on a report.
        logger("report").warning("no drift report", reason=str(error))
        return Reported(
            HtmlPage(render("message", "No drift report", message=error)), Metrics(figures)
        )
    figures |= {
        "columns": float(len(drift.columns)),
        "drifted_columns": float(len(drift.drifted)),
    }
    return Reported(HtmlPage(reports / "drift.html"), Metrics(figures))
