"""Step: publish the release, and serve it if the gate passed."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from colisten.release.manifest import shaping_settings
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.index import IndexSettings
from colisten.settings.sections import EvaluationSettings, FeatureSettings
from colisten.steps.artifacts.features import Features
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.measures import Measured
from colisten.steps.artifacts.models import HGNNModel, Towers
from colisten.steps.artifacts.release import Decision, Published
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.tables import History
from colisten.steps.artifacts.vectors import TextVectors
from colisten.steps.settings import Columns, Computed, Setting


class Publication(NamedTuple):
    """The release."""

    release: Published
    metrics: Metrics


def publish(
    history: History,
    features: Features,
    text: TextVectors,
    graph: GraphSet,
    hgnn: HGNNModel,
    towers: Towers,
    table: Measured,
    decision: Decision,
    cut: datetime,
    home: Path,
    *,
    data: Columns,
    store: Annotated[FeatureSettings, Setting("features")],
    index: IndexSettings,
    evaluation: EvaluationSettings,
    shaping: Annotated[dict[str, Any], Computed(shaping_settings)],
    engine: Engine,
) -> Publication:
    """Write everything under the new id and verify it; where the gate passed, serve it.

    What is served changes with the gate's verdict alone: online features first, then the pointer.
    Where nothing is live yet, features of a refused candidate are written too, so that it can be
    promoted by hand.

    Args:
        history: Checked tables.
        features: Feast repository that training used.
        text: Text vectors.
        graph: Graphs; the release binds the whole one by digest.
        hgnn: The HGNN.
        towers: 2T-HGNN.
        table: Evaluation on the window before the cut; the release carries these figures.
        decision: The gate's verdict.
        cut: UTC moment.
        home: Folder that owns releases, online features and index.
        evaluation: What counts as popular.
        shaping: Settings that shaped the release; its manifest carries them.

    Raises:
        ReleaseError: A part is missing, or the candidate did not pass its own verification.
    """
    from colisten.index.opening import open_index
    from colisten.ranking.popularity import PopularityRule
    from colisten.release.payload import assemble_payload
    from colisten.release.store import ReleaseStore

    releases = ReleaseStore(home)
    with tempfile.TemporaryDirectory() as work, open_index(home, index) as served:
        payload = assemble_payload(
            Path(work) / "payload",
            catalogue=history.catalogue,
            data=data,
            history=history.folder,
            towers=towers.folder,
            hgnn=hgnn.folder,
            graph=graph.full_folder,
            metrics=table.table.model_dump(mode="json", exclude={"calibration"}),
            calibration=table.table.calibration,
            shaping=shaping,
            threads=engine.threads,
            as_of=cut,
            popularity=PopularityRule.of(evaluation),
            seen_items=store.seen_in_release,
            neighbours=store.neighbours_in_release,
        )
        release_id = releases.publish(payload, served)
        if decision.passed or releases.live() is None:
            _serve_features(home, history, text, cut, (data, store, engine))
        if decision.passed:
            releases.promote(release_id, served)
    return Publication(
        Published(
            release_id=release_id,
            folder=str(releases.folder(release_id)),
            promoted=decision.passed,
            reasons=decision.reasons,
            warnings=decision.warnings,
        ),
        Metrics({"promoted": float(decision.passed)}),
    )


def _serve_features(
    home: Path,
    history: History,
    text: TextVectors,
    cut: datetime,
    sections: tuple[DataSettings, FeatureSettings, Engine],
) -> None:
    """Rebuild the repository that the service reads, and fill its online store."""
    from colisten.feature_repo.repo import build_feature_repo, materialize

    data, features, engine = sections
    build_feature_repo(
        history.folder,
        home / "features",
        as_of=cut,
        data=data,
        features=features,
        engine=engine,
        text_vectors=text.vectors,
    )
    materialize(home / "features", as_of=cut, keep_days=features.online_keep_days)
