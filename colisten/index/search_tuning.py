"""How far an approximate index has to look for the recall that is asked of it.

Measured on users' own vectors against exact search, once without a filter and once with real ones:
a graph that finds .95 of what is nearest may find .75 of what is nearest among a tenth of the
items. The least value that reaches the target is taken, by its recall less two standard errors over
the users, so that other users meet it as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from colisten.errors import RecallMissed
from colisten.index.filter import RANGED, Filter, FilterColumns
from colisten.index.protocol import Hits
from colisten.settings.index import IndexKind

Exact = Callable[[np.ndarray, int, Filter], Hits]
"""Exact answers: queries [Q, d], k, filter."""

_TIE = 1e-5
_ERRORS = 2.0  # by one, other users are below the target one time in six
_STEPS = 3  # of bisection: the last one tells values apart that differ by an eighth
_MOST_FILTERS = 6
_COMMON = (0.02, 0.6)  # shares of items; below, an index looks at all that pass
_HARDEST = 0.12
_NEWEST = 0.9


@dataclass(frozen=True)
class SearchRecord:
    """How a collection is searched, and what was measured of that.

    Attributes:
        kind: Of index.
        built: Its parameters, as it was built.
        parameter: What a search is told: `ef` or `nprobe`.
        plain, filtered: Its value without and with a filter, for `k` items.
        k: Items of an answer that were compared.
        target: Recall that was asked for; None where nothing was measured.
        recall, filtered_recall: Measured; of filters the lowest.
        queries, filters: How many were measured.
        asked: Kind that the settings named, which another took the place of; None: `kind` itself.
    """

    kind: IndexKind
    built: dict[str, int]
    parameter: str
    plain: int
    filtered: int
    k: int
    target: float | None = None
    recall: float | None = None
    filtered_recall: float | None = None
    queries: int = 0
    filters: int = 0
    asked: IndexKind | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, told: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote; raises TypeError or ValueError where it is nothing such."""
        record = cls(**told)
        numbers = (record.plain, record.filtered, record.k)
        if not all(type(number) is int and number > 0 for number in numbers):
            raise ValueError(f"A record of a search says {numbers}.")
        return record

    def value(self, k: int, excluded: int, *, filtered: bool) -> int:
        """What a search is told that wants k items and leaves `excluded` of the nearest out."""
        least = self.filtered if filtered else self.plain
        return int(np.ceil(least * max(1.0, (k + excluded) / self.k)))


def tuned(
    record: SearchRecord,
    search: Callable[[SearchRecord, Filter], Hits],
    truths: Sequence[tuple[Filter, Hits]],
    *,
    target: float,
    high: int,
) -> SearchRecord:
    """The record by which a collection reaches a recall, without a filter and with one.

    Args:
        record: How it is built, and `k`.
        search: Answers by a record.
        truths: Exact answers; the first filter lets every item pass.
        target: See `least_value`.
        high: The greatest value that may be tried.

    Raises:
        RecallMissed: It is not reached.
    """

    def measured(value: int, truth: tuple[Filter, Hits]) -> np.ndarray:
        by = replace(record, plain=value, filtered=value)
        return recall_of(search(by, truth[0]), truth[1])

    low = 1 if record.kind == "ivf" else min(record.k, high)
    whole, *narrow = truths
    plain, recall = least_value(lambda value: measured(value, whole), target, low, high)
    filtered, lowest = plain, None
    for truth in narrow:
        # What one filter needs is where the next begins: the last value suits them all.
        value, found = least_value(partial(measured, truth=truth), target, filtered, high)
        lowest = found if value > filtered or lowest is None else min(lowest, found)
        filtered = value
    return replace(
        record,
        plain=plain,
        filtered=filtered,
        target=target,
        recall=recall,
        filtered_recall=lowest,
        queries=len(whole[1][0]),
        filters=len(narrow),
    )


def least_value(
    measure: Callable[[int], np.ndarray], target: float, low: int, high: int
) -> tuple[int, float]:
    """The least value from `low` to `high` that reaches a recall, and the recall there.

    Args:
        measure: Recall of each query [Q] at a value; better, as a rule, the higher that is.
        target: Recall on average, less two standard errors where a higher value is left to try.
        low: Where to begin.
        high: Where to give up.

    Raises:
        RecallMissed: Not even `high` reaches it.
    """

    def reached(value: int) -> tuple[bool, float]:
        recall = measure(value)
        error = float(recall.std()) / np.sqrt(len(recall))
        margin = _ERRORS * error if value < high else 0.0
        return float(recall.mean()) - margin >= target, float(recall.mean())

    value, failed = low, 0
    while not (found := reached(value))[0]:
        if value >= high:
            raise RecallMissed(
                f"The index finds {found[1]:.3f} of what is nearest at {value}, and "
                f"index.recall asks for {target}.",
                "Lower it, or take index.kind=ivf, which reaches any.",
            )
        value, failed = min(2 * value, high), value
    best = value, found[1]
    for _ in range(_STEPS if failed else 0):
        middle = (failed + best[0]) // 2
        good, recall = reached(middle)
        if good:
            best = middle, recall
        else:
            failed = middle
    return best


def recall_of(found: Hits, exact: Hits) -> np.ndarray:
    """Share of each query's exact items that were found, [Q]; what ties with the last counts."""
    shares = []
    for theirs, own in zip(found[1], exact[1], strict=True):
        hits = 0 if not len(own) else int((theirs >= own[-1] - _TIE).sum())
        shares.append(min(hits, len(own)) / len(own) if len(own) else 1.0)
    return np.array(shares)


def filters_to_measure(columns: FilterColumns) -> list[Filter]:
    """Some filters that items of a release can be asked by, as hard for a graph as they come."""
    found = [
        (abs(share - _HARDEST), asked)
        for name in columns.table.column_names
        for share, asked in _filters_of(name, columns)
        if _COMMON[0] <= share <= _COMMON[1]
    ]
    found.sort(key=lambda one: one[0])
    return [asked for _, asked in found[:_MOST_FILTERS]]


def _filters_of(name: str, columns: FilterColumns) -> Sequence[tuple[float, Filter]]:
    column, n = columns.table.column(name), len(columns.table)
    kind = columns.kinds[name]
    if kind in RANGED:
        known = column.drop_null()
        if not len(known):
            return []
        at = int(_NEWEST * (len(known) - 1))
        low = pc.sort_indices(known)[at].as_py()
        asked = Filter(ranges={name: (known[low].as_py(), None)})
        return [(pc.sum(pc.greater_equal(known, known[low])).as_py() / n, asked)]
    if pa.types.is_list(column.type):
        words = Counter(word for some in column.to_pylist() for word in set(some or ()))
    else:
        words = Counter(column.to_pylist())
    ordered = sorted((count, word) for word, count in words.items() if word is not None)
    return [(count / n, Filter(include={name: [word]})) for count, word in ordered]
