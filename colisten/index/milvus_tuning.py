"""The index of a Milvus server's collection that finds what `index.recall` asks for.

The cheapest one is measured first; where it misses the target however far it looks, as a graph does
that a filter cuts into pieces, the collection gets the next one.
"""

from __future__ import annotations

from colisten.extras import needs

needs("pymilvus")

from collections.abc import Callable, Sequence
from dataclasses import replace

from pymilvus import MilvusClient

from colisten.errors import RecallMissed
from colisten.index.filter import Filter
from colisten.index.milvus_collection import WRITE_SECONDS
from colisten.index.milvus_connection import PATIENCE_SECONDS, asking
from colisten.index.milvus_search import builds, largest, load_indexed, rebuild, write_record
from colisten.index.protocol import Hits
from colisten.index.search_tuning import SearchRecord, tuned
from colisten.logs import logger
from colisten.settings.index import IndexSettings

Truths = Sequence[tuple[Filter, Hits]]
"""Exact answers by filter; the first lets every item pass."""

_log = logger("index.milvus")


def tune_collection(
    client: MilvusClient,
    collection: str,
    record: SearchRecord,
    n: int,
    settings: IndexSettings,
    search: Callable[[SearchRecord, Filter], Hits],
    truths: Callable[[int], Truths],
) -> None:
    """Build and search a collection as settings ask; what was measured for them stays.

    Args:
        client: Of the server.
        collection: Its name; nobody else writes it.
        record: How it is built and searched so far.
        n: Its items.
        settings: Kind of index and recall; an `ef` set by hand is not measured.
        search: Answers by a record.
        truths: Exact answers of so many items a query.

    Raises:
        RecallMissed: No index reaches the target.
        VectorIndexError: The server is out of reach or does not finish.
    """
    k, target = min(settings.recall_k, n), settings.recall
    choices = builds(settings.kind, n, k)
    if (record.asked or record.kind) != settings.kind:
        record = _rebuilt(client, collection, choices[0], n)
    if target is None or settings.ef is not None or (record.target, record.k) == (target, k):
        return
    known = [each.built for each in choices]
    further = choices[known.index(record.built) + 1 :] if record.built in known else choices[1:]
    asked = truths(k)
    for stronger in (*further, None):
        try:
            high = largest(record, n)
            chosen = tuned(replace(record, k=k), search, asked, target=target, high=high)
            break
        except RecallMissed as missed:
            if stronger is None:
                raise
            _log.warning("index_rebuilt", why=str(missed), now=_shape(stronger))
        record = _rebuilt(client, collection, stronger, n)
    with asking("record the search of", collection):
        write_record(client, collection, chosen, PATIENCE_SECONDS)


def _rebuilt(client: MilvusClient, collection: str, record: SearchRecord, n: int) -> SearchRecord:
    with asking("build the index of", collection):
        rebuild(client, collection, record, WRITE_SECONDS)
        write_record(client, collection, record, WRITE_SECONDS)
        load_indexed(client, collection, n, WRITE_SECONDS)
    return record


def _shape(record: SearchRecord) -> str:
    return " ".join([record.kind, *(f"{name}={value}" for name, value in record.built.items())])
