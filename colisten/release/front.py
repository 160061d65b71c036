"""A release as a value in Python: shelves, similar items and reasons, without a service.

    release = colisten.load_release("out")
    release.recommend("u00000001", k=5)
    release.recommend(User(history=[("p0012", "stream", moment)], country="SE"))

It answers from the release's own vectors by exact search, as the service does where its index
does not answer, and falls back on popular items as the service does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from colisten.data.moments import microseconds, utc
from colisten.errors import FeatureError, FilterRefused, ReleaseNotFound, UserUnreadable
from colisten.features.names import history_columns, profile_column
from colisten.features.users import UserBatch
from colisten.index.filter import EVERY_ITEM, Filter
from colisten.index.protocol import check_k
from colisten.release.feature_files import FEATURES, bound_features, features_of
from colisten.release.loaded import LoadedRelease
from colisten.release.manifest import MANIFEST, Manifest
from colisten.release.picks import Pick, popular_picks, reasons, seen_items, similar_picks
from colisten.release.store import LIVE, ReleaseStore
from colisten.settings.sections import ServingSettings
from colisten.words import known_word, shown

if TYPE_CHECKING:
    from colisten.features.store import OnlineFeatures

_BATCH_USERS = 256


@dataclass(frozen=True)
class User:
    """What a caller knows of a user; everything may be missing.

    Attributes:
        history: Events as (item id, signal, moment with a zone), in any order. Items that the
            release does not have are passed over.
        country: ISO 3166 code.
        age: Years.
        music: Music vector of the length that the release was trained with.
        further: Values of `data.user_features`, by name.
    """

    history: Sequence[tuple[str, str, datetime]] = ()
    country: str | None = None
    age: float | None = None
    music: Sequence[float] | None = None
    further: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recommendation:
    """One place on a shelf.

    Attributes:
        rank: From 1.
        item_id: The item.
        title: Its title; None where it has none.
        score: Probability that the user starts it within the days of the release's window; None
            of popular and similar items, and where the release has learned none.
        inner_product: Of unit vectors, or the cosine of similar items; None where it was picked by
            popularity.
        why: In words; None where there is nothing true to say.
    """

    rank: int
    item_id: str
    title: str | None
    score: float | None
    inner_product: float | None
    why: str | None


@dataclass(frozen=True)
class Shelf:
    """What one of many users is recommended.

    Attributes:
        user_id: Whose it is.
        known: Whether anything is known of the user; if not, popular items come.
        items: In order; empty where no item is allowed or the user has started all that are.
    """

    user_id: str
    known: bool
    items: tuple[Recommendation, ...]


class Release:
    """A release and, where its home has them, the users of the feature store.

    Args:
        loaded: The release in memory.
        home: Output folder that has its feature repository; None where users are passed as `User`
            alone.
    """

    def __init__(self, loaded: LoadedRelease, home: Path | None = None) -> None:
        self.loaded = loaded
        self._home = home

    def __repr__(self) -> str:
        target = self.loaded.target
        kind = self.loaded.manifest.target_type
        return f"<Release {self.release_id}: {target.stop - target.start:,} of type {kind}>"

    @property
    def release_id(self) -> str:
        """Its name."""
        return self.loaded.release_id

    @property
    def manifest(self) -> Manifest:
        """What it binds: settings, metrics, digests."""
        return self.loaded.manifest

    def recommend(
        self, user: str | User, k: int = 10, filter: Filter = EVERY_ITEM
    ) -> list[Recommendation]:
        """The shelf of one user, without what they have started.

        Args:
            user: An id of the home's feature store, or what is known of somebody.
            k: Most items.
            filter: Which items may come; columns as in `data.filterable`, and `language`.

        Raises:
            FeatureError: The home has no feature store, or what is known of the user does not fit.
            FilterRefused: The filter names a column that the release does not declare.
            VectorIndexError: k is not 1 to 16384.
        """
        allowed = self._allowed(k, filter)
        user_id = user if isinstance(user, str) else None
        return self._picked(user_id, self._batch(user), k, filter, allowed)

    def shelves(
        self, user_ids: Sequence[str], k: int = 10, filter: Filter = EVERY_ITEM
    ) -> Iterator[Shelf]:
        """The shelves of many users of the home's feature store, in their order.

        A user whose stored history is damaged is taken for one of whom nothing is known.

        Raises:
            FeatureError, FilterRefused, VectorIndexError: See `recommend`.
        """
        allowed = self._allowed(k, filter)
        for first in range(0, len(user_ids), _BATCH_USERS):
            for user_id, batch in self._one_by_one(user_ids[first : first + _BATCH_USERS]):
                items = self._picked(user_id, batch, k, filter, allowed)
                yield Shelf(user_id, bool(batch.known[0]), tuple(items))

    def _one_by_one(self, user_ids: Sequence[str]) -> Iterator[tuple[str, UserBatch]]:
        """Users, each with a batch of one."""
        try:
            batch = self._store.read(user_ids)
        except UserUnreadable:
            # One of them; the others are well.
            middle = len(user_ids) // 2
            if not middle:
                yield user_ids[0], self._batch(User())
                return
            yield from self._one_by_one(user_ids[:middle])
            yield from self._one_by_one(user_ids[middle:])
            return
        for row, user_id in enumerate(user_ids):
            yield user_id, batch.take([row])

    def _picked(
        self,
        user_id: str | None,
        batch: UserBatch,
        k: int,
        filter: Filter,
        allowed: np.ndarray | None,
    ) -> list[Recommendation]:
        """The shelf of a batch of one."""
        seen = seen_items(self.loaded, user_id, batch)
        if not batch.known[0]:
            return self._shown(self._popular(batch, k, allowed, seen))
        if allowed is not None and not allowed.any():
            return []
        asked = self.loaded.columns.known(filter)
        asked = asked.excluding([*asked.exclude.get("item_id", ()), *seen])
        vector = self.loaded.user_vectors(batch)
        ids, found = self.loaded.exact(vector, k, filter=asked)
        places, inner = self.loaded.index_of(ids[0]).tolist(), found[0].tolist()
        whys = reasons(self.loaded, batch, places, _PHRASES)
        return self._shown(
            [Pick(*one) for one in zip(places, inner, whys, strict=True)],
            self.loaded.scores(inner, batch, vector[0]),
        )

    def similar(
        self, item_id: str, k: int = 10, filter: Filter = EVERY_ITEM
    ) -> list[Recommendation]:
        """Recommendable items nearest to any item; popular ones where nothing is known of it.

        Raises:
            ReleaseNotFound: The release has no such item.
            FilterRefused, VectorIndexError: See `recommend`.
        """
        item, allowed = self._item(item_id), self._allowed(k, filter)
        picks = similar_picks(self.loaded, item, k, allowed=allowed)
        if picks is None:
            picks = popular_picks(self.loaded, k, allowed=allowed, left_out=(item,))
        return self._shown(picks)

    def explain(self, user: str | User, item_id: str) -> Recommendation:
        """Where one item stands for one user, and why.

        Returns:
            Its rank among all items that the user has not started, its scores and the reason.

        Raises:
            ReleaseNotFound: The release does not recommend such an item.
            FeatureError: As `recommend`; or nothing is known of the user.
        """
        item, target = self._item(item_id), self.loaded.target
        if not target.start <= item < target.stop:
            raise ReleaseNotFound(
                f"Release {self.release_id} does not recommend {shown(item_id)}: it is of type "
                f"{self.loaded.item_types[item]!r}."
            )
        batch = self._batch(user)
        if not batch.known[0]:
            raise FeatureError(
                f"Nothing is known of the user {shown(user)}, so items come by popularity.",
                "Ask for a user with a history or a profile.",
            )
        vector = self.loaded.user_vectors(batch)[0]
        found = self.loaded.item_vectors @ vector
        inner = float(found[item - target.start])
        others = np.ones(len(found), dtype=bool)
        seen = seen_items(self.loaded, user if isinstance(user, str) else None, batch)
        others[self.loaded.index_of(seen) - target.start] = False
        rank = 1 + int((found[others] > inner).sum())
        (why,) = reasons(self.loaded, batch, [item], _PHRASES)
        scores = self.loaded.scores([inner], batch, vector)
        score = None if scores is None else scores[0]
        return Recommendation(rank, item_id, self.loaded.titles[item], score, inner, why)

    def _item(self, item_id: str) -> int:
        item = int(self.loaded.index_of([item_id])[0])
        if item < 0:
            raise ReleaseNotFound(
                f"Release {self.release_id} has no item {shown(item_id)}.",
                "Take an item_id of the items table that it was trained on, or of a shelf.",
            )
        return item

    def _allowed(self, k: int, filter: Filter) -> np.ndarray | None:
        """Which items may come, bool [n_target], None where all may; refuses what no answer has."""
        check_k(k)
        if not isinstance(filter, Filter):
            raise FilterRefused(
                f"{shown(filter)} is no filter.",
                "Write colisten.Filter(include={'language': ['de']}).",
                column="",
            )
        return self.loaded.allowed(filter)

    def _popular(
        self, batch: UserBatch, k: int, allowed: np.ndarray | None, seen: Sequence[str]
    ) -> list[Pick]:
        country = batch.countries[0]
        return popular_picks(
            self.loaded,
            k,
            country=None if country is None else str(country),
            allowed=allowed,
            left_out=set(self.loaded.index_of(seen).tolist()),
        )

    def _shown(
        self, picks: Sequence[Pick], scores: Sequence[float] | None = None
    ) -> list[Recommendation]:
        return [
            Recommendation(
                rank,
                str(self.loaded.item_ids[pick.item]),
                self.loaded.titles[pick.item],
                None if scores is None else scores[rank - 1],
                pick.score,
                pick.why,
            )
            for rank, pick in enumerate(picks, start=1)
        ]

    def _batch(self, user: str | User) -> UserBatch:
        if isinstance(user, str):
            return self._store.read([user])
        if not isinstance(user, User):
            raise FeatureError(
                f"{shown(user)} is no user.", "Give a user's id, or what is known as colisten.User."
            )
        return UserBatch.from_table(self._row(user), self.loaded.index_of, self.loaded.spec.fields)

    def _row(self, user: User) -> pa.Table:
        """The user in the columns that a feature store would answer with."""
        try:
            return self._columns(user)
        except (ValueError, TypeError, AttributeError, OverflowError, pa.ArrowException) as error:
            raise FeatureError(
                f"What is known of the user does not fit: {error}.",
                "A history holds (item id, signal, moment with a zone); an age is a number.",
            ) from error

    def _columns(self, user: User) -> pa.Table:
        fields = self.loaded.spec.fields
        row: dict[str, Any] = {
            "country": user.country,
            "age": user.age,
            "music_vector": user.music,
            **{profile_column(name): value for name, value in user.further.items()},
        }
        items = self.loaded.index_of([event[0] for event in user.history])
        events = sorted(
            (microseconds(utc(moment)), item_id, known_word("Signal", signal, fields.signals), at)
            for (item_id, signal, moment), at in zip(user.history, items.tolist(), strict=True)
            if at >= 0
        )
        for name in fields.types:
            mine = [event for event in events if self.loaded.item_types[event[3]] == name]
            ids, signals, times = history_columns(name)
            row |= {
                ids: [event[1] for event in mine],
                signals: [event[2] for event in mine],
                times: [event[0] for event in mine],
            }
        columns = {each.name: pa.array([row.get(each.name)], each.type) for each in fields.schema}
        return pa.table(columns, schema=fields.schema)

    @cached_property
    def _store(self) -> OnlineFeatures:
        if self._home is None:
            raise FeatureError(
                f"Release {self.release_id} was loaded without its home's feature store.",
                "Load it by its home, or pass what is known of the user as colisten.User.",
            )
        from colisten.features.store import OnlineFeatures

        return OnlineFeatures(
            features_of(self._home, self.manifest),
            self.loaded.index_of,
            self.loaded.spec.fields,
            bound=bound_features(self._home, self.manifest),
        )


def load_release(
    place: str | Path,
    release_id: str | None = None,
    *,
    verify: bool = True,
    threads: int = 1,
    public_key: str | Path | None = None,
) -> Release:
    """Load a release.

    Args:
        place: The `--out` of `colisten run`, or the folder of one release, copied from anywhere.
        release_id: Which of the home's releases; None for the live one.
        verify: Compare every file with its digest first, which reads all of them.
        threads: Of ONNX Runtime.
        public_key: File of the key that it must be signed by; None where any may be loaded.

    Raises:
        ReleaseNotFound: Nothing is live there, or there is no such release.
        ReleaseCorrupt: A file differs from the manifest.
        ReleaseUnsigned: It is not signed by that key.
    """
    place = Path(place)
    folder, alone = place, release_id is None and (place / MANIFEST).is_file()
    if not alone:
        store = ReleaseStore(place)
        folder = store.folder(store.resolve(release_id or LIVE))
    loaded = LoadedRelease.load(folder, verify=verify, threads=threads)
    if public_key is not None:
        from colisten.release.signature import check_signature

        if not verify:  # what is signed are the digests
            loaded.manifest.check_files(folder)
        check_signature(folder, loaded.manifest, Path(public_key))
    has_users = not alone and (place / FEATURES).is_dir()
    return Release(loaded, place if has_users else None)


_PHRASES = ServingSettings().reasons
