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
    from colisten.graph.report import graph_report
    from colisten.json_files import write_json
    from colisten.pages import write_page
    from colisten.release.card import Card
    from colisten.release.store import ReleaseStore
    from colisten.reports.card import to_html as card_page
    from colisten.reports.graph import to_html
    from colisten.steps.watch_drift import drift_between

    catalogue, reports = history.catalogue, home / "reports"
    described = graph_report(graph.full, text.vectors, catalogue.titles, data=data, seed=seed)
    write_page(reports / "graph.html", to_html(described))
    write_json(reports / "graph.json", described)
    releases = ReleaseStore(home)
    card = Card.read(releases.folder(release.release_id), releases.software(release.release_id))
    write_page(reports / "model_card.html", card_page(card))
    towers = Towers(releases.folder(release.release_id))
    drift, figures = drift_between(
        history, features, towers, backtest_cut, cut, reports / "drift.html", seed=seed
    )
    return Reported(drift, Metrics(figures))
