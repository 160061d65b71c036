"""Step: publish the release, and serve it if the gate passed."""

from __future__ import annotations

import tempfile
from datetime import datetime
from functools import partial
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
from colisten.steps.settings import Columns, Computed, Setting

if TYPE_CHECKING:
    from colisten.evaluation.score_calibration import ScoreCalibration
    from colisten.index.protocol import VectorIndex
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
    keep_runs: Annotated[int, Setting("monitoring.keep_runs")],
    engine: Engine,
) -> Publication:
    """Write everything under the new id and verify it; where the gate passed, serve it.

    Its feature repository lies beside those of other releases, so nothing that is served changes
    before the gate has passed; then online rows come first, and the pointer flips last. A refused
    candidate has its repository too, and is promoted with it by hand; where nothing is live yet its
    online rows are filled as well.

    Args:
        history: Checked tables.
        features: Feast repository that training used.
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
        keep_runs: Verdicts of the gate that are kept.

    Raises:
        ReleaseError: A part is missing, or the candidate did not pass its own verification.
        FeatureError: The online store is out of reach; what was live stays.
    """
    from colisten.index.opening import open_index
    from colisten.ranking.popularity import PopularityRule
    from colisten.release.payload import assemble_payload
    from colisten.steps.kept_reports import keep_gate

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
        published = publish_payload(
            home, payload, features.folder, decision, served, store=store, keys=keys
        )
    keep_gate(home, published, decision.passed, cut, keep_runs)
    return Publication(published, Metrics({"promoted": float(published.promoted)}))


def publish_payload(
    home: Path,
    payload: Path,
    repository: Path,
    decision: Decision,
    served: VectorIndex,
    *,
    store: FeatureSettings,
    keys: ReleaseSettings,
) -> Published:
    """Publish a payload with the features that it was trained on; where the gate passed, serve it.

    Args:
        home, store, keys: As `publish`.
        payload: What `assemble_payload` wrote.
        repository: Folder of the feature repository that training used.
        decision: The gate's verdict.
        served: Where its vectors are searched.

    Raises:
        ReleaseError: A part is missing, or the candidate did not pass its own verification.
        FeatureError: The online store is out of reach; what was live stays.
    """
    from colisten.release.store import ReleaseStore
    from colisten.release.writing import writers_turn
    from colisten.steps.online_features import fill_online, with_shared_rows

    releases = ReleaseStore(home, public_key=keys.public_key)
    fill = partial(fill_online, home, features=store)
    files = with_shared_rows(repository, store)
    release_id = releases.publish(payload, served, features=files)
    if keys.signing_key is not None:
        releases.sign(release_id, Path(keys.signing_key))
    promoted, reasons = decision.passed, [*decision.reasons]
    if promoted:
        try:
            releases.check_signature(releases.show(release_id))
        except ReleaseUnsigned as error:  # whoever has the key signs it, and promotes it then
            promoted, reasons = False, [str(error), *reasons]
    if promoted:
        releases.promote(release_id, served, fill=fill)
    elif releases.live() is None:  # nothing is served that it could change
        with writers_turn(releases.releases):
            fill(releases.show(release_id))
    return Published(
        release_id=release_id,
        promoted=promoted,
        reasons=reasons,
        warnings=decision.warnings,
    )


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
