"""What a release has for the page: columns to filter by with their values, titles, histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.features.users import UserBatch
from colisten.index.filter import RANGED, FilterColumns
from colisten.release.loaded import LoadedRelease
from colisten.serving.page.messages import Column, Did, Item, Titles, Value

MOST_VALUES, MOST_TITLES, MOST_EVENTS = 40, 12, 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Between titles in one text, and in no title as it is searched.
_END = "\n"


def described(columns: FilterColumns) -> list[Column]:
    """The columns that shelves can be filtered by, in their order."""
    return [
        _ranged(name, kind, columns.table.column(name))
        if kind in RANGED
        else _worded(name, kind, columns.table.column(name))
        for name, kind in columns.kinds.items()
    ]


# Made at the first question to a release, and gone with it.
_columns: WeakKeyDictionary[LoadedRelease, list[Column]] = WeakKeyDictionary()


def columns_of(release: LoadedRelease) -> list[Column]:
    """The columns that shelves of a release can be filtered by."""
    if release not in _columns:
        _columns[release] = described(release.columns)
    return _columns[release]


def _worded(name: str, kind: Any, column: pa.ChunkedArray) -> Column:
    words = pc.list_flatten(column) if kind == "keywords" else column
    counts = pc.value_counts(words.combine_chunks().drop_null()).to_pylist()
    counts.sort(key=lambda one: (-one["counts"], one["values"]))
    values = [Value(value=one["values"], items=one["counts"]) for one in counts[:MOST_VALUES]]
    return Column(name=name, kind=kind, values=values, more=len(counts) > MOST_VALUES)


def _ranged(name: str, kind: Any, column: pa.ChunkedArray) -> Column:
    ends = pc.min_max(column).as_py()
    low, high = (
        value.isoformat() if isinstance(value, datetime) else value
        for value in (ends["min"], ends["max"])
    )
    return Column(name=name, kind=kind, min=low, max=high)


class TitleSearch:
    """Finds items by a part of their title, whatever the case.

    All titles are one text that is searched from front to end: 250,000 of them take some
    milliseconds, and nothing beside it has to be kept.

    Args:
        titles: In catalogue order; None where an item has none.
    """

    def __init__(self, titles: list[str | None]) -> None:
        folded = [_folded(title) for title in titles]
        self._text = _END.join(folded)
        lengths = [len(title) + len(_END) for title in folded]
        self._starts = np.cumsum([0, *lengths[:-1]])

    def find(self, text: str, most: int) -> list[int]:
        """The first `most` items, as catalogue indices, of which `text` is a part of the title."""
        wanted, place, found = _folded(text).strip(), 0, list[int]()
        while wanted and len(found) < most:
            place = self._text.find(wanted, place)
            if place < 0:
                break
            found.append(int(np.searchsorted(self._starts, place, side="right")) - 1)
            # On to the next title: one is found once.
            place = self._text.find(_END, place)
            if place < 0:
                break
        return found


_searches: WeakKeyDictionary[LoadedRelease, TitleSearch] = WeakKeyDictionary()


def titles_of(release: LoadedRelease, text: str) -> Titles:
    """The item of this id, then items of which `text` is a part of the title."""
    search = _searches.get(release)
    if search is None:
        search = _searches[release] = TitleSearch(release.titles.tolist())
    named_so = [int(at) for at in release.index_of([text]) if at >= 0]
    found = search.find(text, MOST_TITLES + 1 + len(named_so))
    items = [*named_so, *(at for at in found if at not in named_so)]
    return Titles(
        items=[Item(**named(release, at)) for at in items[:MOST_TITLES]],
        more=len(items) > MOST_TITLES,
    )


def named(release: LoadedRelease, item: int) -> dict[str, Any]:
    """Id, type and title of an item by its catalogue index."""
    return {
        "item_id": release.item_ids[item],
        "item_type": release.item_types[item],
        "title": release.titles[item],
    }


def events_of(release: LoadedRelease, user: UserBatch) -> list[Did]:
    """The latest events of a batch of one on items that the release has, the latest first."""
    events = [
        (int(time), int(item), int(signal))
        for history in user.histories.values()
        for time, item, signal in zip(history.times, history.items, history.signals, strict=True)
    ]
    return [
        Did(
            **named(release, item),
            signal=release.spec.signals[signal],
            timestamp=(_EPOCH + timedelta(microseconds=time)).isoformat(),
        )
        for time, item, signal in sorted(events, reverse=True)[:MOST_EVENTS]
    ]


def _folded(title: str | None) -> str:
    return "" if title is None else title.casefold().replace(_END, " ")
