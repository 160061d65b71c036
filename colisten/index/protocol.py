"""What a vector index promises, and the checks that every implementation makes at its edge.

Vectors are unit length, a score is their inner product, higher is nearer. A collection is
written once and never changed: a new release has a new collection, and an alias follows the
live one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import pyarrow as pa

from colisten.data.ids import id_fault
from colisten.errors import VectorIndexError
from colisten.index.filter import EVERY_ITEM, NO_COLUMNS, Filter, check_columns
from colisten.settings.index import IndexSettings

Hits = tuple[list[list[str]], list[np.ndarray]]
"""Per query the ids found, nearest first, and their scores float32: both of equal length <= k."""

NORM_TOLERANCE = 1e-3
MAX_HITS = 16384  # Milvus' own bound on what one search returns
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@runtime_checkable
class VectorIndex(Protocol):
    """Nearest neighbours by inner product, one collection a release.

    Every method raises VectorIndexError on a bad argument, and when the index is out of reach.
    """

    @classmethod
    def open(cls, root: Path, settings: IndexSettings) -> Self:
        """Open the index of an output folder, in this process or by connecting to its server."""

    @classmethod
    def address(cls, root: Path, settings: IndexSettings) -> str | None:
        """Where processes that share the folder reach its index now.

        None where none of them could yet. Another address than before means that connections to
        the earlier one are dead.
        """
        return str(root)

    @classmethod
    def companion(cls, root: Path, settings: IndexSettings) -> AbstractContextManager[object]:
        """What has to run beside the processes that share the folder, for as long as they do."""
        return nullcontext()

    def create(
        self,
        collection: str,
        ids: Sequence[str],
        vectors: np.ndarray,
        *,
        columns: pa.Table = NO_COLUMNS,
        rows: np.ndarray | None = None,
    ) -> None:
        """Write a collection whole; one of that name is replaced and keeps its aliases.

        Args:
            collection: Letters, digits and underscores.
            ids: n distinct item ids.
            vectors: float32 [n, d], unit rows.
            columns: What items can be filtered by, n rows; types of `filter.ARROW_TYPES`.
            rows: int64 [n], the items' index in the catalogue; default 0..n-1. Ties in score
                are ordered by it.
        """

    def search(
        self,
        collection: str,
        queries: np.ndarray,
        k: int,
        *,
        filter: Filter = EVERY_ITEM,
        deadline: float | None = None,
    ) -> Hits:
        """The k nearest items of each query, nearest first.

        Args:
            collection: A collection or an alias.
            queries: float32 [B, d], unit rows.
            k: 1 to 16384; fewer come back where fewer match.
            filter: Which items may come back; values that no item has are no error.
            deadline: Seconds after which the call gives up; None means the index's own patience.
        """

    def tune(
        self,
        collection: str,
        queries: np.ndarray,
        exact: Callable[[np.ndarray, int, Filter], Hits],
        filters: Sequence[Filter],
    ) -> None:
        """Choose how far a collection is searched, as it is published; an exact one needs nothing.

        Args:
            collection: Written before.
            queries: float32 [Q, d], users' vectors.
            exact: Answers to queries [Q, d], k, filter by exact search.
            filters: Some that answers are asked by.

        Raises:
            VectorIndexError: It does not find what its settings ask for, however far it looks.
        """
        return

    def search_record(self, collection: str) -> dict[str, Any] | None:
        """What `tune` chose and measured, as JSON values; None where it had nothing to choose."""
        return None

    def count(self, collection: str, *, deadline: float | None = None) -> int:
        """Items in a collection or behind an alias; `deadline` as in `search`."""

    def drop(self, collection: str) -> None:
        """Remove a collection; one that is not there is no error, one with an alias is."""

    def collections(self) -> list[str]:
        """Names of all collections, sorted."""

    def point_alias(self, alias: str, collection: str) -> None:
        """Make `alias` mean `collection` from now on."""

    def resolve_alias(self, alias: str) -> str | None:
        """The collection behind an alias; None where there is no such alias."""

    def describe(self) -> dict[str, str]:
        """Which index this is, for logs and the journal; holds no secret."""

    def close(self) -> None:
        """Let go of files and connections."""

    def __enter__(self) -> Self:
        """Itself; `close` follows at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def check_name(name: str) -> None:
    """Refuse a collection or alias name that some index would not take."""
    if not _NAME.fullmatch(name):
        raise VectorIndexError(
            f"'{name}' cannot name a collection.",
            "Use up to 255 letters, digits and underscores, not starting with a digit.",
        )


def check_items(
    ids: Sequence[str],
    vectors: np.ndarray,
    columns: pa.Table,
    rows: np.ndarray | None,
) -> np.ndarray:
    """Refuse items that do not fit together; returns rows as int64 [n]."""
    _check_vectors(vectors, "Item vectors")
    n = len(vectors)
    if n == 0:
        raise VectorIndexError("There is no item to index.")
    if len(ids) != n or (columns.num_columns and len(columns) != n):
        raise VectorIndexError(
            f"{n} vectors came with {len(ids)} ids and {len(columns)} rows to filter by."
        )
    for item in ids:
        _check_id(item, "item id")
    if len(set(ids)) != n:
        raise VectorIndexError(f"{n - len(set(ids))} item ids come twice.")
    check_columns(columns)
    if rows is None:
        return np.arange(n, dtype=np.int64)
    if rows.shape != (n,) or not np.issubdtype(rows.dtype, np.integer):
        raise VectorIndexError(f"Rows are {rows.dtype} {rows.shape}, not integers [{n}].")
    return rows.astype(np.int64)


def check_k(k: int) -> None:
    """Refuse a number of items that no answer holds."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= MAX_HITS:
        raise VectorIndexError(f"k is {k!r}; it must be 1 to {MAX_HITS}.")


def check_search(queries: np.ndarray, k: int, deadline: float | None) -> None:
    """Refuse a search that no index could answer."""
    _check_vectors(queries, "Queries")
    check_k(k)
    if deadline is not None and not deadline > 0:
        raise VectorIndexError(f"The deadline is {deadline} seconds; nothing is left to search in.")


def check_width(queries: np.ndarray, d: int, collection: str) -> None:
    """Refuse queries of another length than the collection's vectors."""
    if queries.shape[1] != d:
        raise VectorIndexError(
            f"Queries are {queries.shape[1]} long, vectors of {collection} {d}.",
            "Take the user tower and the collection from one release.",
        )


def _check_id(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise VectorIndexError(f"{value!r} is no {what}: it must be a text.")
    fault = id_fault(value)
    if fault is not None:
        raise VectorIndexError(f"The {what} {value[:40]!r} {fault}.")


def _check_vectors(vectors: np.ndarray, what: str) -> None:
    if vectors.ndim != 2 or vectors.shape[1] == 0 or vectors.dtype != np.float32:
        raise VectorIndexError(f"{what} are {vectors.dtype} {vectors.shape}, not float32 [n, d].")
    if not np.isfinite(vectors).all():
        bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise VectorIndexError(f"{what} are not finite; row {bad} is the first.")
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    off = np.flatnonzero(np.abs(norms - 1.0) > NORM_TOLERANCE)
    if off.size:
        raise VectorIndexError(
            f"{what} are not unit length: row {off[0]} has length {norms[off[0]]:.4g} "
            f"({off.size} such rows)."
        )
