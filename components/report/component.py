"""Step: the reports an analyst opens."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    history: Input[Dataset],
    features: Input[Dataset],
    release: Input[Artifact],
    graph: Input[Dataset],
    text: Input[Dataset],
    cut: str,
    rehearsal_cut: str,
    home: str,
    settings: str,
    drift: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """What the graph looks like; how users, vectors and scores drift between two windows.

    Args:
        history: Checked tables.
        features: Feast repository.
        release: The published release, whose tower sees both windows.
        graph: Co-listening graphs; the whole one is described.
        text: Text vectors.
        cut: End of the later window.
        rehearsal_cut: End of the earlier window, one window before.
        home: Folder that owns the reports.
        settings: `Settings.to_json()`.
    """
    import shutil
    from pathlib import Path

    import numpy as np

    from colisten.config import Settings
    from colisten.data.catalogue import Catalogue
    from colisten.data.moments import parse_moment
    from colisten.errors import ReportError
    from colisten.evaluation.portrait import active_users, portrait
    from colisten.features.store import open_store, users_as_of
    from colisten.graph.graph import CoListeningGraph
    from colisten.graph.report import graph_report
    from colisten.json_files import read_mapping, write_json
    from colisten.logs import configure_logs, logger
    from colisten.models.onnx_tower import OnnxUserTower
    from colisten.reports.graph import to_html
    from colisten.reports.page import escape, page, write_page
    from components.figures import log_figures
    from monitoring.drift import drift_report

    configure_logs()
    chosen = Settings.from_json(settings)
    tower = OnnxUserTower(Path(read_mapping(Path(release.path))["folder"]))
    catalogue = Catalogue.read(Path(history.path))
    store = open_store(Path(features.path))
    later, earlier = parse_moment(cut, "cut"), parse_moment(rehearsal_cut, "rehearsal_cut")
    frames = []
    for end in (earlier, later):
        people = active_users(Path(history.path), since=end - (later - earlier), until=end)
        users = users_as_of(store, people.tolist(), end, catalogue.index_of, tower.spec)
        frames.append(portrait(users, tower))
    reports = Path(home) / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    described = graph_report(
        CoListeningGraph.load(Path(graph.path) / "full"),
        np.load(Path(text.path) / "vectors.npy", mmap_mode="r"),
        catalogue.titles,
        data=chosen.data,
        seed=chosen.seed,
    )
    write_page(reports / "graph.html", to_html(described))
    write_json(reports / "graph.json", described)
    drifted = reports / "drift.html"
    figures = {"users_before": float(len(frames[0])), "users_now": float(len(frames[1]))}
    try:
        found = drift_report(frames[0], frames[1], drifted, seed=chosen.seed)
        figures |= {
            "columns": float(len(found.columns)),
            "drifted_columns": float(len(found.drifted)),
        }
        shutil.copy(drifted, drift.path)
    except ReportError as error:
        # A short history has no earlier window; a release does not hang on a report.
        logger("report").warning("no drift report", reason=str(error))
        write_page(Path(drift.path), page("No drift report", f"<p>{escape(error)}</p>"))
    log_figures(metrics, figures)
