"""A collection as it is written to Milvus: schema, index and rows."""

from __future__ import annotations

from colisten.extras import needs

needs("pymilvus")

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pymilvus import DataType, MilvusClient

from colisten.index.filter import ITEM_ID
from colisten.index.milvus_filter import add_fields, field_values
from colisten.index.milvus_search import index_type, load_indexed, write_record
from colisten.index.search_tuning import SearchRecord
from colisten.progress import track

WRITE_SECONDS = 600.0
_INSERT_BYTES = 8 << 20


@dataclass(frozen=True, eq=False)
class MilvusCollection:
    """Items to write, as `VectorIndex.create` takes them.

    Attributes:
        name: Of the collection.
        ids: Item ids [n].
        vectors: float32 [n, d].
        columns: What filters ask about, one row an item.
        rows: int64 [n], the items' index in the catalogue.
    """

    name: str
    ids: Sequence[str]
    vectors: np.ndarray
    columns: pa.Table
    rows: np.ndarray

    def write(self, client: MilvusClient, record: SearchRecord | None) -> None:
        """Create the collection, fill it and load it; nothing of its name may exist.

        Args:
            client: Of the server.
            record: Which index it gets; None for Milvus Lite, which has none.
        """
        self._create(client, record)
        self._insert(client)
        client.flush(self.name, timeout=WRITE_SECONDS)
        if record is None:
            client.load_collection(self.name, timeout=WRITE_SECONDS)
            return
        write_record(client, self.name, record, WRITE_SECONDS)
        load_indexed(client, self.name, len(self.ids), WRITE_SECONDS)

    def _create(self, client: MilvusClient, record: SearchRecord | None) -> None:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        length = max(64, self._longest_id())
        schema.add_field(ITEM_ID, DataType.VARCHAR, is_primary=True, max_length=length)
        schema.add_field("row", DataType.INT64)
        add_fields(schema, self.columns)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.vectors.shape[1])
        index = client.prepare_index_params()
        if record is None:
            index.add_index("vector", index_type="FLAT", metric_type="IP")
        else:
            kind = index_type(record.kind)
            index.add_index("vector", index_type=kind, metric_type="IP", params=record.built)
        client.create_collection(
            self.name,
            schema=schema,
            index_params=index,
            consistency_level="Strong",
            timeout=WRITE_SECONDS,
        )

    def _insert(self, client: MilvusClient) -> None:
        values = field_values(self.columns)
        step = max(1, _INSERT_BYTES // (4 * self.vectors.shape[1] + self._longest_id() + 512))
        for at in track(range(0, len(self.ids), step), f"indexing {self.name}"):
            batch = [
                {
                    ITEM_ID: self.ids[item],
                    "row": int(self.rows[item]),
                    "vector": self.vectors[item],
                    **{field: of_items[item] for field, of_items in values.items()},
                }
                for item in range(at, min(at + step, len(self.ids)))
            ]
            client.insert(self.name, batch, timeout=WRITE_SECONDS)

    def _longest_id(self) -> int:
        return max(len(item.encode()) for item in self.ids)
