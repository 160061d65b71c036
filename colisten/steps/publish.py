"""Step: publish the release, and serve it if the gate passed."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from colisten.errors import ReleaseUnsigned
from colisten.release.manifest import shaping_settings
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.index import IndexSettings
from colisten.settings.release import ReleaseSettings
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

if TYPE_CHECKING:
    from colisten.evaluation.score_calibration import ScoreCalibration
    from colisten.ranking.popularity import PopularityRule

# Users whose shelves say where the released towers' logits lie.
CARRYING_USERS = 2_000


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
    keys: Annotated[ReleaseSettings, Setting("release")],
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
        keys: What it is signed with, and what must have signed it to be served.
        evaluation: What counts as popular.
        shaping: Settings that shaped the release; its manifest carries them.

    Raises:
        ReleaseError: A part is missing, or the candidate did not pass its own verification.
    """
    from colisten.index.opening import open_index
    from colisten.ranking.popularity import PopularityRule
    from colisten.release.feature_files import bind_features
    from colisten.release.payload import assemble_payload
    from colisten.release.store import ReleaseStore

    releases = ReleaseStore(home, public_key=keys.public_key)
    popularity = PopularityRule.of(evaluation)
    calibration = _carried(
        table.table.calibration,
        history,
        features,
        towers,
        cut,
        data=data,
        popularity=popularity,
        engine=engine,
    )
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
            calibration=calibration,
            shaping=shaping,
            threads=engine.threads,
            as_of=cut,
            popularity=popularity,
            seen_items=store.seen_in_release,
            neighbours=store.neighbours_in_release,
            features=features.digest,
        )
        release_id = releases.publish(payload, served)
        if keys.signing_key is not None:
            releases.sign(release_id, Path(keys.signing_key))
        promoted, reasons = decision.passed, [*decision.reasons]
        if promoted:
            try:
                releases.check_signature(releases.show(release_id))
            except ReleaseUnsigned as error:  # whoever has the key signs it, and promotes it then
                promoted, reasons = False, [str(error), *reasons]
        if promoted or releases.live() is None:
            _serve_features(home, history, text, cut, (data, store, engine))
            bind_features(home, releases.show(release_id))
        if promoted:
            releases.promote(release_id, served)
    return Publication(
        Published(
            release_id=release_id,
            promoted=promoted,
            reasons=reasons,
            warnings=decision.warnings,
        ),
        Metrics({"promoted": float(promoted)}),
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


def _carried(
    calibration: ScoreCalibration | None,
    history: History,
    features: Features,
    towers: Towers,
    cut: datetime,
    *,
    data: DataSettings,
    popularity: PopularityRule,
    engine: Engine,
) -> ScoreCalibration | None:
    """The backtest's calibration, carried to the towers that are released."""
    from colisten.evaluation.score_calibration import some_users
    from colisten.features.store import users_as_of
    from colisten.models.vector_layout import VectorLayout
    from colisten.ranking.eligible import eligible_users
    from colisten.ranking.events import EventLog
    from colisten.ranking.popularity import popularity_scores
    from colisten.steps.scores import carry_scores

    if calibration is None:
        return None
    log = EventLog([history.folder], history.catalogue, data, engine)
    everybody = eligible_users(log, cut)
    people = everybody.take(some_users(everybody, 0, CARRYING_USERS))
    tower = towers.open(engine.threads)
    known = users_as_of(
        features.open(),
        people.user_ids.tolist(),
        cut,
        history.catalogue.index_of,
        tower.spec,
    )
    layout = VectorLayout.read(towers.folder, tower.dim)
    popular = popularity_scores(log, cut, popularity)
    return carry_scores(calibration, people, known, tower, layout, popular)
