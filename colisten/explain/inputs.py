"""Everything that an explanation reads: a release, the tables it was learned from, features.

They may lie anywhere: a release made elsewhere is explained by the tables of its own cut and items.
What users did is read strictly before the cut. Only targets come from after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.moments import parse_moment
from colisten.data.summary import TableSummary
from colisten.errors import ReportError
from colisten.evaluation.split import evaluation_set
from colisten.explain.logits import ServedTowers, UserSample
from colisten.features.names import SOURCES
from colisten.features.popularity import DailyPopularity, day_of
from colisten.features.starts import first_starts
from colisten.features.store import open_store, users_as_of
from colisten.features.transform import encode_users
from colisten.models.items import ItemFeatureSpec, encode_items
from colisten.ranking.eligible import EligibleUsers, eligible_users
from colisten.ranking.events import EventLog
from colisten.ranking.popularity import popularity
from colisten.release.loaded import LoadedRelease
from colisten.settings.engine import Engine
from colisten.settings.sections import EvaluationSettings

# Export allows towers to differ by 1e-5 from training; encoding adds nothing to that.
_PARITY = 1e-4


@dataclass(frozen=True)
class CheckedTables:
    """Checked tables of one cut.

    Attributes:
        history: Folder of tables, events before the cut only.
        holdout: Folder of the window's events; it may be gone or hold none.
        cut: UTC moment between both.
    """

    history: Path
    holdout: Path
    cut: datetime

    @property
    def window_days(self) -> int:
        """Whole days from the cut that hold all events of the window; 0 where there are none."""
        file = self.holdout / "interactions.parquet"
        if not file.is_file():
            return 0
        last = pc.max(parquet.read(file, columns=["timestamp"]).column("timestamp")).as_py()
        if last is None or last < self.cut:
            return 0
        days: float = (last - self.cut + timedelta(microseconds=1)) / timedelta(days=1)
        return math.ceil(days)

    @classmethod
    def read(cls, folder: Path) -> CheckedTables:
        """The tables of `history/` and `holdout/`, as the check of tables leaves them.

        Raises:
            TableError: There is no checked history.
        """
        history = folder / "history"
        cut = parse_moment(TableSummary.read(history).cut, "cut")
        return cls(history, folder / "holdout", cut)

    def fit(self, release: LoadedRelease, catalogue: Catalogue) -> bool:
        """Whether a release was learned from a catalogue of these, at this cut."""
        return parse_moment(release.manifest.as_of, "as_of") == self.cut and list(
            catalogue.item_ids
        ) == list(release.item_ids)


@dataclass(frozen=True, eq=False)
class ExplanationInputs:
    """A release and what is asked of it.

    Attributes:
        release: The live release.
        catalogue: Its items, with genres.
        towers: Its towers.
        sample: Users of the sample and what they streamed in the window.
        user_features: float32 [U, user width].
        item_features: float32 [n_target, item width].
        streams: Users who streamed each item before the cut, float32 [num_items].
        window_days: Days of the window that hold events; 0 where there is no window.
        evaluation: How the run measured.
    """

    release: LoadedRelease
    catalogue: Catalogue
    towers: ServedTowers
    sample: UserSample
    user_features: np.ndarray
    item_features: np.ndarray
    streams: np.ndarray
    window_days: int
    evaluation: EvaluationSettings

    @classmethod
    def read(
        cls,
        release: LoadedRelease,
        tables: CheckedTables,
        features: Path,
        *,
        most_users: int,
        seed: int,
        engine: Engine = Engine(),
    ) -> ExplanationInputs:
        """Read what a release needs to be explained.

        Args:
            release: A release, wherever it was made.
            tables: Those that it was learned from.
            features: Feast repository of the same history.
            most_users: Users of the sample, at most.
            seed: Of the sample.
            engine: Threads and memory; types and signals are the release's own.

        Raises:
            TableError: The tables cannot be read.
            ReportError: They are not those that the release was learned from.
            FeaturesRefused: Its sources are not those that the release was trained on.
            FeatureError: The feature repository is gone.
        """
        catalogue = Catalogue.read(tables.history)
        if not tables.fit(release, catalogue):
            raise ReportError(
                f"The tables at {tables.history} (cut {tables.cut:%Y-%m-%d}) are not those of "
                f"release {release.release_id} (cut {release.manifest.as_of[:10]}): cut or items "
                "differ.",
                "Give the checked tables that it was learned from.",
            )
        manifest, window_days = release.manifest, tables.window_days
        bound = None if manifest.features is None else {SOURCES: frozenset({manifest.features})}
        towers = ServedTowers(release.folder, threads=engine.threads)
        past = EventLog([tables.history], catalogue, manifest.data, engine)
        people = _people(past, tables, window_days)
        sample = UserSample.of(people, most_users=most_users, seed=seed)
        users = users_as_of(
            open_store(features, bound),
            sample.user_ids.tolist(),
            tables.cut,
            catalogue.index_of,
            towers.user_spec,
        )
        return cls(
            release=release,
            catalogue=catalogue,
            towers=towers,
            sample=sample,
            user_features=encode_users(towers.user_spec, users, release.history_vectors),
            item_features=_item_features(release, catalogue, towers, tables),
            streams=_streams(past, tables.cut),
            window_days=window_days,
            evaluation=_evaluation(manifest.settings),
        )


def _evaluation(settings: dict[str, Any]) -> EvaluationSettings:
    """How the run measured; settings that came or went since its release are no matter."""
    recorded = settings.get("evaluation", {})
    known = {name: recorded[name] for name in EvaluationSettings.model_fields if name in recorded}
    return EvaluationSettings.model_validate(known)


def _people(past: EventLog, tables: CheckedTables, days: int) -> EligibleUsers:
    """Users with a target in the window; everyone with history where no one has any."""
    if days:
        events = replace(past, folders=[tables.history, tables.holdout])
        measured = evaluation_set(events, cut=tables.cut, window_days=days)
        if len(measured.targets.values):
            return measured
    return eligible_users(past, tables.cut)


def _item_features(
    release: LoadedRelease, catalogue: Catalogue, towers: ServedTowers, tables: CheckedTables
) -> np.ndarray:
    """The item tower's input at the cut; it must give the served vectors back."""
    features = encode_items(
        towers.item_spec,
        catalogue,
        release.target,
        np.asarray(release.history_vectors),
        _served_popularity(towers.item_spec, catalogue, release, tables),
    )
    off = float(np.abs(towers.items(features) - release.item_vectors).max(initial=0.0))
    if not off <= _PARITY:
        raise ReportError(
            f"The item tower of {release.release_id} does not give its own vectors back from "
            f"{tables.history}: they differ by {off:.2g}.",
            "The tables or the code changed since; run again with the same cut.",
        )
    return features


def _served_popularity(
    spec: ItemFeatureSpec, catalogue: Catalogue, release: LoadedRelease, tables: CheckedTables
) -> np.ndarray | None:
    """Log popularity [n_target, H] on the day after the last first start, as training seals it."""
    if not spec.popularity_half_lives:
        return None
    examples = first_starts(tables.history, as_of=tables.cut, data=release.manifest.data)
    target = release.target
    times = examples.column("timestamp").cast(pa.int64()).to_numpy()
    items = catalogue.index_of(examples.column("item_id").to_pylist()) - target.start
    daily = DailyPopularity(items, times, target.stop - target.start, spec.popularity_half_lives)
    served: np.ndarray = daily.at(day_of(times[-1:]) + 1)[0]
    return served


def _streams(past: EventLog, cut: datetime) -> np.ndarray:
    """Users who started each item before the cut, float32 [num_items]."""
    streams = np.zeros(len(past.catalogue), dtype=np.float32)
    for item_type in dict.fromkeys(past.catalogue.item_types):
        streams[past.catalogue.slice_of(item_type)] = popularity(past.of_type(item_type), cut)
    return streams
