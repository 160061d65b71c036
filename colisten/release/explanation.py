"""Why these titles, for one user: a way through the co-listening graph, what they had that is
nearest, and what each part of the score adds.

A way begins with something that the user did and ends at the title, over at most one title between
(the paper's figure 1C). It is looked for among the release's own edges; of several the one whose
weakest edge is strongest counts. Nothing is computed before somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from colisten.features.users import UserBatch
from colisten.release.loaded import Because, LoadedRelease
from colisten.release.neighbours import ItemNeighbours

NEAREST = 3


@dataclass(frozen=True)
class Way:
    """How the graph leads from a user's history to a title.

    Attributes:
        item: Catalogue index of what they did something with.
        signal: What they did.
        via: Catalogue index of a title between; None where both have listeners in common.
    """

    item: int
    signal: str
    via: int | None


@dataclass(frozen=True)
class Explained:
    """Why one title.

    Attributes:
        way: None where the graph knows none, or the release holds no graph.
        nearest: At most three titles of the history, nearest first.
        parts: What taste, popularity and similarity add to the inner product; None where the
            release does not tell them apart.
    """

    way: Way | None
    nearest: tuple[Because, ...]
    parts: Mapping[str, float] | None


@dataclass(frozen=True, eq=False)
class _Heard:
    """What one user did something with, each item once.

    Attributes:
        items: Catalogue indices, int64 [h].
        signals: By item what they did: the latest start, or the latest of all where there is none.
    """

    items: np.ndarray
    signals: tuple[str, ...]

    @classmethod
    def of(cls, release: LoadedRelease, user: UserBatch, row: int) -> _Heard:
        latest: dict[int, tuple[bool, int, str]] = {}
        for history in user.histories.values():
            events = slice(int(history.offsets[row]), int(history.offsets[row + 1]))
            signals = history.signals[events]
            for item, start, moment, signal in zip(
                history.items[events].tolist(),
                release.starts(signals).tolist(),
                history.times[events].tolist(),
                signals.tolist(),
                strict=True,
            ):
                told = (start, moment, release.spec.signals[signal])
                latest[item] = max(told, latest.get(item, told))
        items = sorted(latest)
        return cls(np.array(items, dtype=np.int64), tuple(latest[item][2] for item in items))

    def signal_of(self, item: int) -> str:
        return self.signals[int(np.searchsorted(self.items, item))]


def explained(
    release: LoadedRelease,
    user: UserBatch,
    vector: np.ndarray,
    items: Sequence[int],
    *,
    row: int = 0,
) -> list[Explained]:
    """Why each of some titles, for one user.

    Args:
        release: Whose graph and vectors.
        user: What is known of the user.
        vector: Their unit vector [dim].
        items: Catalogue indices of recommended titles.
        row: Which user of the batch.
    """
    wanted = np.asarray(items, dtype=np.int64)
    heard = _Heard.of(release, user, row)
    ways: list[Way | None] = [None] * len(wanted)
    if release.neighbours is not None and heard.items.size:
        ways = [
            None if found is None else Way(found[0], heard.signal_of(found[0]), found[1])
            for found in _ways(release.neighbours, release.target.start, wanted, heard.items)
        ]
    near = _nearest(release, wanted, heard)
    parts: list[Mapping[str, float] | None] = [None] * len(wanted)
    if release.layout is not None:
        own = release.item_vectors[wanted - release.target.start]
        shares = release.layout.parts(vector, own)
        parts = [
            {name: float(values[at]) for name, values in shares.items()}
            for at in range(len(wanted))
        ]
    return [Explained(*each) for each in zip(ways, near, parts, strict=True)]


def _ways(
    neighbours: ItemNeighbours, first: int, wanted: np.ndarray, heard: np.ndarray
) -> list[tuple[int, int | None] | None]:
    """For each title (what the user had, what lies between); None where no way leads there."""
    items, strengths = neighbours.items, neighbours.strengths
    found: list[tuple[int, int | None] | None] = []
    for title in wanted.tolist():
        near, strong = items[title - first], strengths[title - first]
        mine = _among(near, heard) & (near != title)
        if mine.any():
            found.append((int(near[mine.argmax()]), None))  # the first is the strongest
            continue
        between = (near >= first) & (near < first + len(items))
        rows = near[between] - first
        beyond = items[rows]
        ends = _among(beyond, heard) & (beyond != title)
        if not ends.any():
            found.append(None)
            continue
        weakest = np.where(ends, np.minimum(strengths[rows], strong[between][:, None]), -1.0)
        at, end = np.unravel_index(int(weakest.argmax()), weakest.shape)
        found.append((int(beyond[at, end]), int(rows[at]) + first))
    return found


def _among(items: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Which items, of any shape, are among some ascending ones that are not none."""
    places = np.minimum(np.searchsorted(some, items), len(some) - 1)
    return np.asarray(some[places] == items, dtype=bool)


def _nearest(
    release: LoadedRelease, wanted: np.ndarray, heard: _Heard
) -> list[tuple[Because, ...]]:
    if not heard.items.size or not wanted.size:
        return [()] * len(wanted)
    cosines = release.cosines(wanted, heard.items)
    cosines[wanted[:, None] == heard.items] = 0.0  # that a title is near itself tells nothing
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :NEAREST]
    return [
        tuple(
            Because(int(heard.items[at]), heard.signals[at], min(1.0, float(near[at])))
            for at in best
            if near[at] > 0
        )
        for near, best in zip(cosines, order.tolist(), strict=True)
    ]
