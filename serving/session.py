"""What a request itself says of a user: done in a session, or known to the caller alone.

It is held against the release that answers, then laid over what the feature store knows. Nothing
of it is stored; what was started in it does not come back in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from colisten.data.moments import microseconds
from colisten.features.transform import UserFeatureSpec
from colisten.features.users import History, UserBatch, nobody
from colisten.release.loaded import LoadedRelease
from colisten.serving.answers import UnknownValue
from colisten.serving.problems import refused_field
from colisten.serving.requests import ProfileRequest, RecommendRequest, SessionEvent
from colisten.words import advice, shown

_SHOWN_CHARS, _MOST_SHOWN = 100, 20


@dataclass(frozen=True, eq=False)
class Session:
    """What one request says of its user.

    Attributes:
        events: int64 [n, 3]: times, catalogue indices, signal codes.
        types: object [n], the item type of each event.
        profile: What the user is; None where the request does not say.
        alone: Whether stored events do not count.
        unknown: Items that the release lacks.
    """

    events: np.ndarray
    types: np.ndarray
    profile: ProfileRequest | None
    alone: bool
    unknown: Sequence[UnknownValue]

    @classmethod
    def of(cls, request: RecommendRequest, release: LoadedRelease) -> Session | None:
        """What a request says; None where it says nothing.

        Raises:
            Refused: A type, signal or column is unknown to the release, an item is of another
                type, or a value does not fit (400).
        """
        if not request.history and request.features is None:
            return None
        spec = release.spec
        at = release.index_of([event.item_id for event in request.history])
        for place, event in enumerate(request.history):
            _check_event(f"history.{place}", event, int(at[place]), release)
        if request.features is not None:
            _check_profile(request.features, spec)
        types = np.array([release.item_types[one] if one >= 0 else "" for one in at], dtype=object)
        codes = [spec.signals.index(event.signal) for event in request.history]
        events = np.array([_times(request.history), at, codes], dtype=np.int64).T
        unknown = [
            UnknownValue(field=f"history.{place}.item_id", value=event.item_id[:_SHOWN_CHARS])
            for place, event in enumerate(request.history)
            if at[place] < 0
        ]
        alone = request.history_mode == "replace"
        return cls(events, types, request.features, alone, unknown[:_MOST_SHOWN])

    def over(
        self, stored: UserBatch | None, user_id: str | None, release: LoadedRelease, *, length: int
    ) -> UserBatch:
        """The user by this request.

        Args:
            stored: What the feature store knows, a batch of one; None where it knows nothing.
            user_id: Whose.
            release: That answers.
            length: Most events of a history that are read.
        """
        spec = release.spec
        base = nobody(spec.fields) if stored is None else stored
        return UserBatch(
            user_ids=np.array([user_id], dtype=object),
            **self._profile_over(base, spec),
            histories={
                name: self._history_over(base.histories[name], name, release, length)
                for name in spec.types
            },
            seen=base.seen,
        )

    def _profile_over(self, base: UserBatch, spec: UserFeatureSpec) -> dict[str, Any]:
        told = self.profile or ProfileRequest()
        country, age, music = base.countries, base.ages, base.music
        if told.country is not None:
            country = np.array([told.country], dtype=object)
        if told.age is not None:
            age = np.array([told.age], dtype=np.float32)
        if told.music_vector is not None:
            music = np.array([told.music_vector], dtype=np.float32)
        further = dict(base.further)
        for name, value in told.further.items():
            kind: Any = object if name in spec.categories else np.float32
            further[name] = np.array([value], dtype=kind)
        return {"countries": country, "ages": age, "music": music, "further": further}

    def _history_over(
        self, stored: History, item_type: str, release: LoadedRelease, length: int
    ) -> History:
        own = self.events[self.types == item_type]
        if not self.alone:
            held = np.stack([stored.times, stored.items, stored.signals], axis=1, dtype=np.int64)
            own = np.concatenate([held, own]) if len(own) else held
        if not len(own):
            return History.empty(1)
        # As the store has them: each once, by time, item id and signal, the most recent ones.
        ids = release.item_ids[own[:, 1]].tolist()
        names = [release.spec.signals[code] for code in own[:, 2]]
        rows = {key: at for at, key in enumerate(zip(own[:, 0].tolist(), ids, names, strict=True))}
        order = [at for _, at in sorted(rows.items())][-length:]
        kept = own[order]
        return History(
            np.array([0, len(kept)], np.int64),
            kept[:, 1].copy(),
            kept[:, 2].astype(np.int8),
            kept[:, 0].copy(),
        )


def _times(events: Sequence[SessionEvent]) -> list[int]:
    """Microseconds since 1970 of each; what just happened keeps the order that it was told in."""
    now = microseconds(datetime.now(UTC)) - len(events)
    return [
        now + place if event.timestamp is None else microseconds(event.timestamp)
        for place, event in enumerate(events)
    ]


def _check_event(field: str, event: SessionEvent, at: int, release: LoadedRelease) -> None:
    spec = release.spec
    for name, value, known in (
        ("item_type", event.item_type, spec.types),
        ("signal", event.signal, spec.signals),
    ):
        if value is not None and value not in known:
            message = f"{shown(value)} is unknown. {advice(value, known)}"
            raise refused_field(f"{field}.{name}", message)
    own = release.item_types[at] if at >= 0 else None
    if None not in (own, event.item_type) and own != event.item_type:
        message = f"The item is of type {own}, not {event.item_type}. Leave it out or send {own}."
        raise refused_field(f"{field}.item_type", message)


def _check_profile(profile: ProfileRequest, spec: UserFeatureSpec) -> None:
    vector = profile.music_vector
    if vector is not None and len(vector) != spec.music_dim:
        message = f"has {len(vector)} numbers; the release reads {spec.music_dim}"
        raise refused_field("features.music_vector", message)
    if vector is not None and not all(map(_small, vector)):
        raise refused_field("features.music_vector", "holds a number too large for 32 bits")
    known = [*spec.categories, *spec.numbers]
    for name, value in profile.further.items():
        field = f"features.further.{name[:_SHOWN_CHARS]}"
        if name not in known:
            message = f"The release reads no {shown(name)}. {advice(name, known)}"
            raise refused_field(field, message)
        if isinstance(value, str) != (name in spec.categories):
            kind = "a text" if name in spec.categories else "a number"
            raise refused_field(field, f"must be {kind}")
        if not isinstance(value, str) and not _small(value):
            raise refused_field(field, "is too large for 32 bits")


def _small(value: float) -> bool:
    return abs(value) <= float(np.finfo(np.float32).max)
