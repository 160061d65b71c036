"""A Milvus server's index of a collection: how it is built, what a search is told, its record.

The record lies in the collection's own properties, so it goes where the collection goes, and
whoever searches reads it with the schema.
"""

from __future__ import annotations

from colisten.extras import needs

needs("pymilvus")

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pymilvus import MilvusClient

from colisten.errors import VectorIndexError
from colisten.index.milvus_filter import Fields
from colisten.index.search_tuning import SearchRecord
from colisten.json_files import parse_json, to_json
from colisten.settings.index import IndexKind
from colisten.words import known_word

PROPERTY = "colisten.search"
# Milvus' own: segments of fewer rows get no index and are searched whole.
SMALLEST_INDEXED = 1024
LARGEST_EF = 32_768
# A graph of few edges falls apart where a filter hides most of its nodes: one of more may not.
_HNSW = ({"M": 16, "efConstruction": 200}, {"M": 64, "efConstruction": 800})
_TYPES: dict[IndexKind, str] = {"hnsw": "HNSW", "ivf": "IVF_FLAT"}
_LOOK_SECONDS = 0.1
# What collections were searched with before anything was measured.
_UNMEASURED_EF = 160


@dataclass(frozen=True)
class Shape:
    """What a collection says of itself.

    Attributes:
        width: Length of its vectors.
        fields: What it can be filtered by.
        record: How it is searched; None of Milvus Lite's and of yesterday's.
    """

    width: int
    fields: Fields
    record: SearchRecord | None

    @classmethod
    def told(cls, description: Mapping[str, Any]) -> Shape:
        """From what `describe_collection` says."""
        fields = description["fields"]
        vector = next(field for field in fields if field["name"] == "vector")
        record = read_record(description.get("properties"))
        return cls(int(vector["params"]["dim"]), Fields.described(fields), record)


def builds(kind: IndexKind, n: int, k: int) -> list[SearchRecord]:
    """How a collection of n items may be built, from the cheapest to what reaches any recall.

    Each is searched as its record says until something is measured.
    """
    lists = max(1, min(round(4 * n**0.5), n // 39, 65_536))
    inverted = SearchRecord("ivf", {"nlist": lists}, "nprobe", lists, lists, k)
    if known_word("index.kind", kind, tuple(_TYPES)) == "ivf":
        return [inverted]
    ef = max(_UNMEASURED_EF, 4 * k)
    graphs = [SearchRecord(kind, built, "ef", ef, ef, k) for built in _HNSW]
    return [*graphs, replace(inverted, asked=kind)]


def index_type(kind: IndexKind) -> str:
    """As Milvus calls it."""
    return _TYPES[known_word("index.kind", kind, tuple(_TYPES))]


def largest(record: SearchRecord, n: int) -> int:
    """The greatest value that makes a difference."""
    if record.kind == "ivf":
        return record.built["nlist"]
    return max(record.k, min(n, LARGEST_EF))


def search_params(
    record: SearchRecord | None, ef: int | None, k: int, excluded: int, *, filtered: bool
) -> dict[str, int]:
    """What a search is told.

    Args:
        record: Of the collection; None of those of yesterday, which are HNSW.
        ef: What somebody set.
        k: Items wanted.
        excluded: Ids that are left out.
        filtered: Whether there is a filter besides.
    """
    if record is not None and record.kind == "ivf":
        return {"nprobe": min(record.value(k, excluded, filtered=filtered), record.built["nlist"])}
    if ef is None and record is not None:
        ef = record.value(k, excluded, filtered=filtered)
    return {"ef": min(max(ef or _UNMEASURED_EF, k), LARGEST_EF)}


def read_record(properties: Mapping[str, Any] | None) -> SearchRecord | None:
    """The record in a collection's properties; None where there is none that can be read."""
    told = (properties or {}).get(PROPERTY)
    if not isinstance(told, str):
        return None
    try:
        return SearchRecord.from_mapping(parse_json(told))
    except (ValueError, TypeError):
        return None


def write_record(
    client: MilvusClient, collection: str, record: SearchRecord, seconds: float
) -> None:
    """Put a record into a collection's properties."""
    client.alter_collection_properties(
        collection, {PROPERTY: to_json(record.to_dict())}, timeout=seconds
    )


def rebuild(client: MilvusClient, collection: str, record: SearchRecord, seconds: float) -> None:
    """Give a collection another index; its rows stay."""
    client.release_collection(collection, timeout=seconds)
    client.drop_index(collection, "vector", timeout=seconds)
    index = client.prepare_index_params()
    index.add_index(
        "vector", index_type=index_type(record.kind), metric_type="IP", params=record.built
    )
    client.create_index(collection, index, timeout=seconds)


def load_indexed(client: MilvusClient, collection: str, n: int, seconds: float) -> None:
    """Load a collection by its index, once that is built.

    A collection that was loaded as it was written is searched whole until then, and its raw rows
    may go on being searched afterwards: what is measured so says nothing of the index.

    Raises:
        VectorIndexError: It is not built in time.
    """
    if n >= SMALLEST_INDEXED:
        end = time.monotonic() + seconds
        while not _built(client, collection, seconds):
            if time.monotonic() > end:
                raise VectorIndexError(
                    f"Milvus has not built the index of {collection} within {seconds:.0f} s."
                )
            time.sleep(_LOOK_SECONDS)
        client.release_collection(collection, timeout=seconds)
    client.load_collection(collection, timeout=seconds)


def _built(client: MilvusClient, collection: str, seconds: float) -> bool:
    index = client.describe_index(collection, "vector", timeout=seconds)
    return index.get("state") == "Finished" and not int(index.get("pending_index_rows", 0))
