"""The planted truth of a world, kept aside from its tables: what everybody really likes.

Models never see it. It answers for the users when a shelf is shown to them (`response`), and it
tells a test what the best possible shelf is. On disk, under `<world>/truth/`:

    items.parquet       item_id, item_type, language, popularity, published_at
    item_taste.npy      float32 [items, dims]: visible shades, then hidden dimensions
    local_popularity.npy  float32 [countries, items]
    makers.parquet      item_id, maker (an audiobook's author, a podcast's publisher), series
    users.parquet       user_id, country, one <type>_taste a type, speaks, eagerness
    streamed.parquet    user_id, item_id, timestamp of the first stream
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from colisten.data import parquet
from colisten.errors import TableError
from colisten.simulator.items import STAMP, Items
from colisten.simulator.journeys import STREAM
from colisten.simulator.listening import Events
from colisten.simulator.people import People
from colisten.simulator.settings import WorldSettings

_FLOATS = pa.list_(pa.float32())
_TASTE = "_taste"
STREAMED_SCHEMA = pa.schema({"user_id": pa.string(), "item_id": pa.string(), "timestamp": STAMP})


@dataclass(frozen=True)
class Truth:
    """Latent items, and a window on the users' file.

    Attributes:
        folder: Where it lies.
        item_ids: Object [n].
        item_types: Object [n].
        language: Index into each user's `speaks`, int64 [n].
        taste: Float32 [n, dims].
        popularity: Log weight, float32 [n].
        local_popularity: Float32 [countries, n].
        published: Microseconds since 1970 UTC, int64 [n].
    """

    folder: Path
    item_ids: np.ndarray
    item_types: np.ndarray
    language: np.ndarray
    taste: np.ndarray
    popularity: np.ndarray
    local_popularity: np.ndarray
    published: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> Truth:
        """Read `<world>/truth`.

        Raises:
            TableError: There is no planted truth at `folder`.
        """
        if not (folder / "item_taste.npy").exists():
            raise TableError(
                f"No planted truth at {folder}.", "Give the truth/ folder of a simulated world."
            )
        table = parquet.read(folder / "items.parquet")
        return cls(
            folder=folder,
            item_ids=_objects(table["item_id"]),
            item_types=_objects(table["item_type"]),
            language=table["language"].to_numpy().astype(np.int64),
            taste=np.load(folder / "item_taste.npy"),
            popularity=table["popularity"].to_numpy(),
            local_popularity=np.load(folder / "local_popularity.npy"),
            published=table["published_at"].cast(pa.int64()).to_numpy(),
        )

    def item_rows(self, ids: pa.Array | pa.ChunkedArray | np.ndarray) -> np.ndarray:
        """Row of each item id, int64.

        Raises:
            TableError: An id is not of this world.
        """
        return _rows(self.item_ids, ids, "items", self.folder)

    def users(self, ids: np.ndarray) -> KnownUsers:
        """The latent side of the given users, each once, in the given order.

        Raises:
            TableError: An id is not of this world.
        """
        users = parquet.read(self.folder / "users.parquet", filters=_among(ids))
        table = users.take(pa.array(_rows(_objects(users["user_id"]), ids, "users", self.folder)))
        return KnownUsers(
            ids=np.asarray(ids, dtype=object),
            country=table["country"].to_numpy().astype(np.int64),
            taste={
                name.removesuffix(_TASTE): _matrix(table[name])
                for name in table.column_names
                if name.endswith(_TASTE)
            },
            speaks=_matrix(table["speaks"]),
            eagerness=table["eagerness"].to_numpy(),
        )

    def makers(self) -> pa.Table:
        """Who made what: item_id, maker and series (null where none), in the order of items."""
        return parquet.read(self.folder / "makers.parquet")

    def user_batches(self, size: int = 1_000) -> Iterator[np.ndarray]:
        """All user ids, object arrays of at most `size`."""
        with parquet.opened(self.folder / "users.parquet") as file:
            for batch in file.iter_batches(size, columns=["user_id"]):
                yield _objects(batch["user_id"])

    def utility(self, users: KnownUsers, item_type: str) -> np.ndarray:
        """Log weight of every item of a type for each user, float32 [users, items of the type].

        Taste, language, popularity and the country's own fashion, as in the simulation. The
        columns follow `np.flatnonzero(truth.item_types == item_type)`.
        """
        rows = np.flatnonzero(self.item_types == item_type)
        scores = users.taste[item_type] @ self.taste[rows].T
        scores += self.popularity[rows] + self.local_popularity[users.country][:, rows]
        return np.asarray(scores + users.speaks[:, self.language[rows]])

    def streamed(self, ids: np.ndarray) -> pa.Table:
        """First streams of the given users: user_id, item_id, timestamp."""
        return parquet.read(self.folder / "streamed.parquet", filters=_among(ids))


@dataclass(frozen=True)
class KnownUsers:
    """Latent users.

    Attributes:
        ids: Object [b].
        country: Index, int64 [b].
        taste: By item type, float32 [b, dims], scaled so that a dot product is a log weight.
        speaks: Log weight of each language, float32 [b, languages].
        eagerness: Log odds added to starting an audiobook, float32 [b].
    """

    ids: np.ndarray
    country: np.ndarray
    taste: dict[str, np.ndarray]
    speaks: np.ndarray
    eagerness: np.ndarray


def write_items_truth(folder: Path, items: Items) -> None:
    """Write the item side of the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "item_id": pa.array(items.ids, pa.string()),
            "item_type": pa.array(items.types, pa.string()),
            "language": pa.array(items.language, pa.int16()),
            "popularity": pa.array(items.popularity),
            "published_at": pa.array(items.published).cast(STAMP),
        }
    )
    parquet.write(table, folder / "items.parquet")
    np.save(folder / "item_taste.npy", items.taste)
    np.save(folder / "local_popularity.npy", items.local_popularity)


def users_schema(item_types: Iterable[str]) -> pa.Schema:
    """Columns of the users' truth in a world of these types."""
    return pa.schema(
        {
            "user_id": pa.string(),
            "country": pa.int16(),
            **{f"{item_type}{_TASTE}": _FLOATS for item_type in item_types},
            "speaks": _FLOATS,
            "eagerness": pa.float32(),
        }
    )


def users_truth(people: People, settings: WorldSettings) -> pa.Table:
    """The latent side of one chunk of users."""
    # An audiobook listener is readier to start one; those who never took it up are wary.
    rate = np.log(people.rate / settings.audiobook_rate)
    eager = np.where(np.isfinite(people.adopted), 0.4 * np.clip(rate, -2, 2), -1.2)
    return pa.table(
        {
            "user_id": people.ids,
            "country": pa.array(people.country, pa.int16()),
            **{f"{kind}{_TASTE}": _lists(people.taste[kind]) for kind in sorted(people.taste)},
            "speaks": _lists(people.speaks),
            "eagerness": pa.array(eager, pa.float32()),
        },
        schema=users_schema(sorted(people.taste)),
    )


def streamed_truth(events: Events, people: People, items: Items) -> pa.Table:
    """First stream of each (user, item) of one chunk; `events` are in time order."""
    streams = events.take(events.signal == STREAM)
    pairs = streams.user * len(items.ids) + streams.item
    _, first = np.unique(pairs, return_index=True)
    return pa.table(
        {
            "user_id": people.ids.take(pa.array(streams.user[first])),
            "item_id": pa.array(items.ids, pa.string()).take(pa.array(streams.item[first])),
            "timestamp": pa.array(streams.moment[first]).cast(STAMP),
        },
        schema=STREAMED_SCHEMA,
    )


def _among(ids: np.ndarray) -> pc.Expression:
    return pc.field("user_id").isin(pa.array(list(dict.fromkeys(ids)), pa.string()))


def _lists(matrix: np.ndarray) -> pa.Array:
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.astype(np.float32).ravel()))


def _matrix(column: pa.ChunkedArray) -> np.ndarray:
    lists = column.combine_chunks()
    flat = lists.flatten().to_numpy()
    return np.asarray(flat.reshape(len(lists), -1) if len(lists) else flat.reshape(0, 0))


def _objects(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    out = np.empty(len(column), dtype=object)
    out[:] = column.to_pylist()
    return out


def _rows(
    known: np.ndarray, ids: pa.Array | pa.ChunkedArray | np.ndarray, what: str, folder: Path
) -> np.ndarray:
    wanted = ids if isinstance(ids, np.ndarray) else _objects(ids)
    rows = pd.Index(known, dtype=object).get_indexer(pd.Index(wanted, dtype=object))
    if (rows < 0).any():
        strangers = list(dict.fromkeys(wanted[rows < 0]))
        raise TableError(
            f"{len(strangers)} {what} are not of the world at {folder}: "
            f"{', '.join(map(str, strangers[:3]))}.",
            "Simulate the response with the world that the exposures were made from.",
        )
    return np.asarray(rows, dtype=np.int64)
