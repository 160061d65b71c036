"""Milvus: a server in production, Milvus Lite on one machine.

A server gets an index of its own (see `milvus_tuning`) and filter expressions. Milvus Lite searches
exhaustively and filters row by row in Python, so there this client asks for more than it needs and
filters itself, and sends an expression only where that was not enough.
"""

from __future__ import annotations

from colisten.extras import needs

needs("pymilvus")

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pymilvus import MilvusException

from colisten.errors import VectorIndexError
from colisten.files import located
from colisten.index.filter import EVERY_ITEM, ITEM_ID, NO_COLUMNS, Filter
from colisten.index.lite_embedded import hold, let_go
from colisten.index.lite_server import database_of, live_endpoint
from colisten.index.milvus_collection import WRITE_SECONDS, MilvusCollection
from colisten.index.milvus_connection import PATIENCE_SECONDS, asking, connected
from colisten.index.milvus_filter import Hit, best_hits, field_name
from colisten.index.milvus_search import (
    Shape,
    builds,
    search_params,
)
from colisten.index.milvus_tuning import Truths, tune_collection
from colisten.index.protocol import (
    MAX_HITS,
    Hits,
    VectorIndex,
    check_items,
    check_name,
    check_search,
    check_width,
)
from colisten.index.search_tuning import Exact, SearchRecord
from colisten.index.supervised import SupervisedServer
from colisten.settings.index import IndexSettings

_LITE_MARGIN = 64
_LITE_FACTOR = 4
_NOT_LOADED = 101  # the code of a collection that lies on disk only

_DEFAULTS = IndexSettings()


class MilvusIndex(VectorIndex):
    """A `VectorIndex` on Milvus.

    Args:
        uri: http(s)://host:port of a server, unix:path of a Milvus Lite, or the folder of an
            embedded one, which one process at a time can open.
        lite: Whether a server at `uri` is Milvus Lite.
        settings: Which index a server's collections get, and what it has to find.

    A server's credentials come from the environment variable COLISTEN_MILVUS_TOKEN
    ("user:password" or an API key), where settings name the address; beyond this machine only
    over TLS.

    Raises:
        VectorIndexError: The server is out of reach or another process holds the folder.
    """

    def __init__(
        self, uri: str, *, lite: bool = False, settings: IndexSettings = _DEFAULTS
    ) -> None:
        self._embedded = (
            None if uri.startswith(("http:", "https:", "unix:")) else located(Path(uri))
        )
        self._lite = lite or self._embedded is not None
        self._settings = settings
        self._uri = uri
        self._shapes: dict[str, Shape] = {}
        self._lock = threading.Lock()
        self._closed = False
        named = not self._lite and settings.token_goes_there
        if self._embedded is not None:
            self._embedded.parent.mkdir(parents=True, exist_ok=True)
            self._uri = hold(self._embedded)
        try:
            self._client = connected(self._uri, with_token=named)
        except VectorIndexError:
            if self._embedded is not None:
                let_go(self._embedded)
            raise

    @classmethod
    def open(cls, root: Path, settings: IndexSettings) -> Self:
        """Open the server of `index.uri`; else the `LiteServer` of the folder where one runs; else
        Milvus Lite in this process, which then holds root/index/milvus.db until `close`.
        """
        address = cls.address(root, settings)
        if address is None:
            return cls(str(database_of(root)))
        return cls(address, lite=settings.uri is None, settings=settings)

    @classmethod
    def address(cls, root: Path, settings: IndexSettings) -> str | None:
        """See `VectorIndex.address`; a Milvus Lite started again has another socket."""
        return live_endpoint(root) if settings.uri is None else settings.uri

    @classmethod
    def companion(cls, root: Path, settings: IndexSettings) -> AbstractContextManager[object]:
        """A supervised `LiteServer`, where no server is named."""
        return SupervisedServer(root) if settings.uri is None else nullcontext()

    def create(
        self,
        collection: str,
        ids: Sequence[str],
        vectors: np.ndarray,
        *,
        columns: pa.Table = NO_COLUMNS,
        rows: np.ndarray | None = None,
    ) -> None:
        """See `VectorIndex.create`."""
        check_name(collection)
        rows = check_items(ids, vectors, columns, rows)
        if self.resolve_alias(collection) is not None:
            raise VectorIndexError(f"'{collection}' is an alias, not a collection.")
        with asking("create", collection):
            aliases = self._aliases_of(collection)
            for alias in aliases:
                self._client.drop_alias(alias, timeout=PATIENCE_SECONDS)
            self._forget(collection)
            self._client.drop_collection(collection, timeout=PATIENCE_SECONDS)
            items = MilvusCollection(collection, ids, vectors, columns, rows)
            record = builds(self._settings.kind, len(ids), self._settings.recall_k)[0]
            items.write(self._client, None if self._lite else record)
        written = self.count(collection)
        if written != len(ids):
            raise VectorIndexError(f"Milvus stored {written} of {len(ids)} items of {collection}.")
        for alias in aliases:
            self.point_alias(alias, collection)

    def search(
        self,
        collection: str,
        queries: np.ndarray,
        k: int,
        *,
        filter: Filter = EVERY_ITEM,
        deadline: float | None = None,
    ) -> Hits:
        """See `VectorIndex.search`."""
        check_name(collection)
        check_search(queries, k, deadline)
        timeout = PATIENCE_SECONDS if deadline is None else deadline
        with asking("search", collection):
            shape = self._ready(collection, timeout)
            if queries.shape[1] != shape.width:  # an alias may have been moved by another process
                self._forget(collection)
                shape = self._ready(collection, timeout)
            check_width(queries, shape.width, collection)
            asked = shape.fields.checked(filter)
            try:
                return self._search(collection, queries, k, asked, timeout)
            except MilvusException as error:
                if error.code != _NOT_LOADED:
                    raise
                # The server was restarted: its collections lie on disk until asked for.
                self._forget(collection)
                self._ready(collection, timeout)
                return self._search(collection, queries, k, asked, timeout)

    def tune(
        self,
        collection: str,
        queries: np.ndarray,
        exact: Exact,
        filters: Sequence[Filter],
    ) -> None:
        """See `VectorIndex.tune`; what was measured for the same target stays, as does a set ef."""
        was = self._shape(collection)
        if self._lite or was.record is None:
            return

        def search(record: SearchRecord, asked: Filter) -> Hits:
            self._keep(collection, replace(was, record=record))
            return self.search(collection, queries, k=record.k, filter=asked)

        def truths(k: int) -> Truths:
            return [(asked, exact(queries, k, asked)) for asked in (EVERY_ITEM, *filters)]

        n, settings = self.count(collection), self._settings
        try:
            tune_collection(self._client, collection, was.record, n, settings, search, truths)
        finally:
            self._forget(collection)

    def search_record(self, collection: str) -> dict[str, Any] | None:
        """See `VectorIndex.search_record`."""
        record = None if self._lite else self._shape(collection).record
        return None if record is None else record.to_dict()

    def count(self, collection: str, *, deadline: float | None = None) -> int:
        """See `VectorIndex.count`."""
        check_name(collection)
        timeout = deadline or WRITE_SECONDS
        with asking("count", collection):
            self._ready(collection, deadline or PATIENCE_SECONDS)
            try:
                return self._counted(collection, timeout)
            except MilvusException as error:
                if error.code != _NOT_LOADED:
                    raise
                self._forget(collection)
                self._ready(collection, deadline or PATIENCE_SECONDS)
                return self._counted(collection, timeout)

    def drop(self, collection: str) -> None:
        """See `VectorIndex.drop`."""
        check_name(collection)
        with asking("drop", collection):
            pointing = self._aliases_of(collection)
            if pointing:
                raise VectorIndexError(
                    f"Collection {collection} stands behind the alias {pointing[0]}.",
                    "Point the alias elsewhere first.",
                )
            if collection not in self._client.list_collections(timeout=PATIENCE_SECONDS):
                return  # dropping an alias' name would drop what stands behind it
            self._forget(collection)
            self._client.drop_collection(collection, timeout=PATIENCE_SECONDS)

    def collections(self) -> list[str]:
        """See `VectorIndex.collections`."""
        with asking("list the collections of", self._uri):
            return sorted(self._client.list_collections(timeout=PATIENCE_SECONDS))

    def point_alias(self, alias: str, collection: str) -> None:
        """See `VectorIndex.point_alias`."""
        check_name(alias)
        check_name(collection)
        names = self.collections()
        if collection not in names:
            raise VectorIndexError(f"No collection {collection} to point {alias} at.")
        if alias in names:
            raise VectorIndexError(f"'{alias}' is a collection, not an alias.")
        current = self.resolve_alias(alias)
        if current == collection:
            return
        with asking("point an alias at", collection):
            point = self._client.create_alias if current is None else self._client.alter_alias
            point(collection, alias, timeout=PATIENCE_SECONDS)
            self._forget(alias)

    def resolve_alias(self, alias: str) -> str | None:
        """See `VectorIndex.resolve_alias`."""
        check_name(alias)
        with asking("resolve", alias):
            try:
                answer = self._client.describe_alias(alias, timeout=PATIENCE_SECONDS)
            except MilvusException as error:
                if "alias" in str(error) and (
                    "not found" in str(error) or "not exist" in str(error)
                ):
                    return None
                raise
            return str(answer["collection_name"])

    def describe(self) -> dict[str, str]:
        """See `VectorIndex.describe`."""
        if self._lite:
            return {"backend": "milvus", "kind": "lite"}
        return {"backend": "milvus", "kind": "server", "uri": self._uri}

    def close(self) -> None:
        """Close; the last user of an embedded index lets other processes in again."""
        if self._closed:
            return
        self._closed = True
        self._client.close()
        if self._embedded is not None:
            let_go(self._embedded)

    def _counted(self, collection: str, timeout: float) -> int:
        answer = self._client.query(
            collection,
            filter="",
            output_fields=["count(*)"],
            consistency_level="Strong",
            timeout=timeout,
        )
        return int(answer[0]["count(*)"])

    def _search(
        self, collection: str, queries: np.ndarray, k: int, asked: Filter, timeout: float
    ) -> Hits:
        if not self._lite:
            answers = self._ask(collection, queries, k, EVERY_ITEM, asked, timeout)
            return best_hits(answers, k, EVERY_ITEM)
        wanted = min(k + len(asked.exclude.get(ITEM_ID, ())), MAX_HITS)
        others = asked.without_ids()
        plain = not others.columns and ITEM_ID not in asked.include
        wider = wanted if plain else min(wanted * _LITE_FACTOR + _LITE_MARGIN, MAX_HITS)
        answers = self._ask(collection, queries, wider, asked, EVERY_ITEM, timeout)
        hits = best_hits(answers, k, asked)
        short = any(
            len(ids) < k and len(answer) == wider
            for ids, answer in zip(hits[0], answers, strict=True)
        )
        if plain or not short:
            return hits
        # Ids are left out here: in an expression they would be compared with row by row.
        sought = asked.excluding(())
        return best_hits(self._ask(collection, queries, wanted, asked, sought, timeout), k, asked)

    def _ask(
        self,
        collection: str,
        queries: np.ndarray,
        limit: int,
        shown: Filter,
        asked: Filter,
        timeout: float,
    ) -> list[list[Hit]]:
        """The nearest items that `asked` allows, each with its values of what `shown` names."""
        shape = self._ready(collection, timeout)
        fields, params = shape.fields, dict[str, Any](metric_type="IP")
        if not self._lite:
            params["params"] = search_params(
                shape.record,
                self._settings.ef,
                limit,
                len(asked.exclude.get(ITEM_ID, ())),
                filtered=bool(asked.without_ids().columns),
            )
        # A collection never changes once `create` has counted it with Strong consistency, so a
        # search need not wait for the server's next time tick (200 to 400 ms).
        answers = self._client.search(
            collection,
            list(queries),
            filter=fields.expression(asked),
            limit=limit,
            output_fields=["row", *(field_name(name) for name in shown.without_ids().columns)],
            search_params=params,
            consistency_level="Bounded",
            timeout=timeout,
        )
        # Older servers do not name the id field of a hit, so ids are read beside the hits.
        return [
            [
                Hit(
                    str(item),
                    float(score),
                    int(hit["entity"]["row"]),
                    fields.values(hit["entity"], shown),
                )
                for item, score, hit in zip(answer.ids, answer.distances, answer, strict=True)
            ]
            for answer in answers
        ]

    def _ready(self, collection: str, timeout: float) -> Shape:
        """Load a collection once per connection; returns what it says of itself."""
        with self._lock:
            if collection not in self._shapes:
                self._client.load_collection(collection, timeout=timeout)
                told = self._client.describe_collection(collection, timeout=timeout)
                self._shapes[collection] = Shape.told(told)
            return self._shapes[collection]

    def _shape(self, collection: str) -> Shape:
        with asking("describe", collection):
            return self._ready(collection, PATIENCE_SECONDS)

    def _keep(self, collection: str, shape: Shape) -> None:
        with self._lock:
            self._shapes[collection] = shape

    def _forget(self, name: str) -> None:
        with self._lock:
            self._shapes.pop(name, None)

    def _aliases_of(self, collection: str) -> list[str]:
        if collection not in self._client.list_collections(timeout=PATIENCE_SECONDS):
            return []
        answer = self._client.list_aliases(collection, timeout=PATIENCE_SECONDS)
        return sorted(str(alias) for alias in answer["aliases"])
