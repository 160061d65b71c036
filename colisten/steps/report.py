"""Step: the reports an analyst opens."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

from colisten.settings.engine import Engine
from colisten.settings.monitoring import MonitoringSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.release import Published
from colisten.steps.artifacts.reports import HtmlPage, Metrics
from colisten.steps.artifacts.tables import History
from colisten.steps.artifacts.vectors import TextVectors
from colisten.steps.settings import Setting, TypesAndSignals


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
    monitoring: MonitoringSettings,
    max_chars: Annotated[int, Setting("text.max_chars")],
    seed: int,
    engine: Engine,
) -> Reported:
    """The release's model card; what the graph looks like; how users, vectors and scores drift.

    Drift is judged as `watch_drift` does.

    Args:
        history: Checked tables.
        features: Feast repository.
        release: The published release, which sees the users.
        graph: Graphs; the whole one is described.
        text: Text vectors.
        cut: End of the later window.
        backtest_cut: End of the earlier window, one window before.
        home: Folder that owns the releases and the reports.

    Raises:
        ReleaseError: The release cannot be read.
    """
    from colisten.graph.report import graph_report
    from colisten.json_files import write_json
    from colisten.pages import write_page
    from colisten.release.card import Card
    from colisten.release.store import ReleaseStore
    from colisten.reports.card import to_html as card_page
    from colisten.reports.graph import to_html
    from colisten.steps.kept_reports import keep_drift
    from colisten.steps.watch_drift import drift_of

    catalogue, reports = history.catalogue, home / "reports"
    described = graph_report(graph.full, text.vectors, catalogue.titles, data=data, seed=seed)
    write_page(reports / "graph.html", to_html(described))
    write_json(reports / "graph.json", described)
    releases = ReleaseStore(home)
    card = Card.read(releases.folder(release.release_id), releases.software(release.release_id))
    write_page(reports / "model_card.html", card_page(card))
    drift, figures = drift_of(
        history,
        features,
        text,
        release.release_id,
        cut,
        round((cut - backtest_cut) / timedelta(days=1)),
        home,
        max_chars=max_chars,
        evidently=monitoring.evidently == "always",
        seed=seed,
        engine=engine,
    )
    keep_drift(home, cut, monitoring.keep_runs)
    return Reported(drift, Metrics(figures))
