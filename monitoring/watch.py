"""One window watched: its profile, those of earlier windows, and what else speaks for a cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.moments import parse_moment
from colisten.errors import ReleaseError
from colisten.features import names
from colisten.features.lightfeast import FeatureStore
from colisten.features.repository import source_file
from colisten.features.seen import id_hashes
from colisten.features.store import user_rows
from colisten.features.users import UserBatch
from colisten.logs import logger
from colisten.monitoring.bins import Bins
from colisten.monitoring.checks import MIN_ROWS, TASTE
from colisten.monitoring.drift import DriftReport, moved_names, write_drift
from colisten.monitoring.drift_features import drift_features
from colisten.monitoring.profile import WindowProfile, profile_columns
from colisten.monitoring.profile_folder import FOLDER, ProfileFolder
from colisten.monitoring.release_change import Shown, change_checks, release_change
from colisten.monitoring.skew import online_skew
from colisten.monitoring.taste import axes_name, taste_of
from colisten.monitoring.text_check import (
    Fingerprints,
    fingerprints_before,
    keep_fingerprints,
    text_checks,
)
from colisten.monitoring.window_tables import WindowTables, volumes
from colisten.release.feature_files import features_of
from colisten.release.lineage import servable
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from colisten.settings.engine import Engine
from colisten.text.golden import nothing_golden
from colisten.text.vectors import item_texts

REBUILT = 12
"""Earlier windows that are rebuilt where no profile of them was kept."""

LOOKED_AT = 26
"""Earlier windows that limits are learned from: half a year of weeks."""

SAMPLE = 5_000
"""Users who are seen under a release: the same ones from run to run, by a hash of their ids."""

_SKEW_SAMPLE = 500
_log = logger("monitoring.watch")


@dataclass(frozen=True)
class Subject:
    """What is watched.

    Attributes:
        history: Folder of checked tables.
        catalogue: Their items.
        vectors: float32 [num_items, dim], text vectors.
        golden: float32 [sentences, dim]; no row where no encoder ran.
        features: Offline store as of the cut.
        newest_feature: Newest moment in its sources; None where there is none.
        release: That users are seen under.
        before: The release that was live before it; None where there is none.
        served: Feature repository that serving reads for the release; None where none is served.
        max_chars: Of a text that the encoder sees.
    """

    history: Path
    catalogue: Catalogue
    vectors: np.ndarray
    golden: np.ndarray
    features: FeatureStore
    newest_feature: datetime | None
    release: LoadedRelease
    before: LoadedRelease | None
    served: Path | None
    max_chars: int

    @classmethod
    def of(
        cls,
        home: Path,
        release_id: str,
        history: Path,
        catalogue: Catalogue,
        features: FeatureStore,
    ) -> Self:
        """A release of a home, without text vectors.

        Raises:
            ReleaseError: The release cannot be read.
        """
        store = ReleaseStore(home)
        release = LoadedRelease.load(store.folder(release_id), verify=False)
        served = features_of(home, release.manifest)
        return cls(
            history,
            catalogue,
            np.zeros((len(catalogue), 0), dtype=np.float32),
            nothing_golden(),
            features,
            newest_moment(features),
            release,
            _release_before(store, release_id),
            served if store.live() == release_id and served.is_dir() else None,
            0,
        )

    def told(self, vectors: np.ndarray, golden: np.ndarray, max_chars: int) -> Self:
        """The same with text vectors."""
        return replace(self, vectors=vectors, golden=golden, max_chars=max_chars)


@dataclass(frozen=True)
class Watched:
    """How the window was judged, and its users and those of the one before as frames."""

    report: DriftReport
    frames: tuple[pd.DataFrame, pd.DataFrame]


def watch_window(
    subject: Subject, cut: datetime, days: float, page: Path, engine: Engine
) -> Watched:
    """Judge the window that ends at `cut`; write its page, its figures and its profile.

    Args:
        subject: What is watched.
        cut: End of the window.
        days: Its length.
        page: HTML file; profiles lie in a folder beside it.
        engine: How much of the machine may be used.

    Raises:
        ColistenError: Tables, features or releases cannot be read.
    """
    folder, release = page.parent / FOLDER, subject.release.release_id
    kept = ProfileFolder(folder)
    taste = taste_of(subject.catalogue.item_ids, subject.vectors, folder)
    with WindowTables(subject.history, taste, engine) as tables:
        series = _Series(tables, kept, cut, days, axes_name(folder))
        frames = (series.frame(1), series.frame(0))
        rows = (_rows(subject, frames[0], cut - series.span), _rows(subject, frames[1], cut))
        seen = [_seen(subject, one) for one in rows]
        bins = series.bins(frames, seen, release)
        earlier = series.earlier(bins)
        now = series.profile(0, frames[1], bins).model_copy(
            update={
                "release": release,
                "registered": tables.registered(),
                "tables": tables.null_shares(),
                "ages": _ages(subject, tables.last(cut), cut),
            }
        )
    bound = [profile_columns(one, bins, under=_all(one, release)) for one in seen]
    if earlier:
        columns = earlier[-1].columns | bound[0]
        earlier[-1] = earlier[-1].model_copy(update={"columns": columns})
    change = _change(subject, rows[1])
    now = now.model_copy(
        update={
            "columns": now.columns | bound[1],
            "release_change": change,
            "skew": _skew(subject, frames[1]),
        }
    )
    marks = Fingerprints.of(
        subject.catalogue.item_ids.tolist(),
        item_texts(subject.catalogue, subject.max_chars),
        subject.vectors,
        subject.golden,
    )
    report = write_drift(
        earlier,
        now,
        page,
        further=[
            *text_checks(fingerprints_before(folder, release), marks),
            *change_checks(earlier, change, len(rows[1]), MIN_ROWS),
        ],
        release_before=None if subject.before is None else subject.before.release_id,
    )
    kept.save(now.model_copy(update={"moved": moved_names(report.checks)}))
    keep_fingerprints(folder, release, marks)
    return Watched(report, frames)


class _Series:
    """A window and those before it, each as long, the nearest first."""

    def __init__(
        self, tables: WindowTables, kept: ProfileFolder, cut: datetime, days: float, axes: str
    ) -> None:
        self.span = timedelta(days=days)
        self._tables = tables
        self._kept = kept
        self._cut = cut
        self._days = days
        self._axes = axes

    def frame(self, back: int) -> pd.DataFrame:
        """Users of the window so many windows back."""
        end = self._cut - back * self.span
        return self._tables.frame(end - self.span, end)

    def bins(
        self, frames: Sequence[pd.DataFrame], seen: Sequence[pd.DataFrame], release: str
    ) -> dict[str, Bins]:
        """Bins of every column: those of earlier reports, else of the window before, else of this.

        Args:
            frames: Users of the window before, and of the window.
            seen: The same under the release.
            release: That release.
        """
        bins: dict[str, Bins] = {}
        pairs = ((frames, self._under(frames[1])), (seen, _all(seen[1], release)))
        for (before, now), under in pairs:
            bins |= self._kept.bins(self._cut, under)
            reference = before if len(before) >= MIN_ROWS else now
            drawn = profile_columns(_features(reference), bins)
            bins |= {name: one.bins for name, one in drawn.items()}
        return bins

    def earlier(self, bins: dict[str, Bins]) -> list[WindowProfile]:
        """Profiles of earlier windows, the latest last: kept, or rebuilt from today's tables."""
        found, first = [], self._tables.first()
        for back in range(1, LOOKED_AT + 1):
            end = self._cut - back * self.span
            known = self._kept.at(end, self._days)
            if known is not None:
                found.append(known)
            elif back <= REBUILT and first is not None and first <= end - self.span:
                profile = self.profile(back, self.frame(back), bins)
                found.append(profile.model_copy(update={"rebuilt": True}))
        return found[::-1]

    def profile(self, back: int, frame: pd.DataFrame, bins: dict[str, Bins]) -> WindowProfile:
        """The profile of a window's users."""
        end = self._cut - back * self.span
        return WindowProfile(
            since=end - self.span,
            until=end,
            rows=len(frame),
            columns=profile_columns(_features(frame), bins, under=self._under(frame)),
            volume=volumes(frame),
        )

    def _under(self, frame: pd.DataFrame) -> dict[str, str]:
        return {str(name): self._axes for name in frame if str(name).startswith(TASTE)}


def newest_moment(features: FeatureStore) -> datetime | None:
    """The newest moment in the sources of the histories; None where they hold none."""
    moments = []
    for view in features.list_feature_views(allow_cache=True):
        if view.tags.get(names.TYPE_TAG):
            moments.append(_latest(source_file(features, view)))
    return max((one for one in moments if one is not None), default=None)


def _latest(file: Path) -> datetime | None:
    column = parquet.read(file, columns=[names.TIMESTAMP]).column(names.TIMESTAMP)
    found: datetime | None = pc.max(column).as_py()
    return found


def _release_before(store: ReleaseStore, release_id: str) -> LoadedRelease | None:
    """The release that was live before; None where there is none, or it cannot be read."""
    before = [one for one in servable(store.releases) if one != release_id]
    for name in before[:1]:
        try:
            return LoadedRelease.load(store.folder(name), verify=False)
        except ReleaseError as error:
            _log.warning("no release to compare with", release_id=name, reason=str(error))
    return None


def _all(frame: pd.DataFrame, under: str) -> dict[str, str]:
    return {str(name): under for name in frame}


def _features(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns="user_id", errors="ignore")


def _sample(frame: pd.DataFrame, most: int) -> list[str]:
    """The users of a window with the least hashes, sorted."""
    ids = frame["user_id"].astype(str).to_numpy(dtype=object)
    if len(ids) > most:
        ids = ids[np.argsort(id_hashes(ids), kind="stable")[:most]]
    return sorted(ids.tolist())


def _rows(subject: Subject, frame: pd.DataFrame, end: datetime) -> pa.Table:
    return user_rows(subject.features, _sample(frame, SAMPLE), end)


def _seen(subject: Subject, rows: pa.Table) -> pd.DataFrame:
    """A window's users as the release sees them."""
    return drift_features(_batch(rows, subject.release), subject.release.tower)


def _batch(rows: pa.Table, release: LoadedRelease) -> UserBatch:
    return UserBatch.from_table(rows, release.index_of, release.spec.fields)


def _change(subject: Subject, rows: pa.Table) -> dict[str, float]:
    """The release beside the one before it, on the window's users."""
    if subject.before is None or not len(rows):
        return {}
    shown = [
        Shown.of(one.tower, one.item_ids[one.target], _batch(rows, one))
        for one in (subject.before, subject.release)
    ]
    return release_change(*shown)


def _ages(subject: Subject, last: datetime | None, cut: datetime) -> dict[str, float]:
    """Days before the cut of the newest event, the newest feature and the release's learning."""
    moments = {
        "tables": last,
        "features": subject.newest_feature,
        "release": parse_moment(subject.release.manifest.as_of, "The cut"),
    }
    return {
        name: (cut - moment) / timedelta(days=1)
        for name, moment in moments.items()
        if moment is not None
    }


def _skew(subject: Subject, frame: pd.DataFrame) -> dict[str, float]:
    if subject.served is None or subject.newest_feature is None or not len(frame):
        return {}
    users = _sample(frame, _SKEW_SAMPLE)
    return online_skew(subject.served, subject.release, users, subject.newest_feature)
