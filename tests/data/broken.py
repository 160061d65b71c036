"""Ways to break sound tables, each with the one violation that must come of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from colisten.data import violations
from colisten.data.violation import Violation
from tests.data.sources import damage, drop, edit, put, recast, replace


@dataclass(frozen=True)
class Case:
    """A way to break sound tables, and the one violation that must come of it."""

    name: str
    violation: type[Violation]
    place: str
    spoil: Callable[[Path], object]
    count: int = 0
    first: tuple[int, ...] = ()
    says: str = ""


def _further(folder: Path, table: str, column: str, values: dict[int, object]) -> None:
    """A column more, null but for these rows."""
    file = folder / f"{table}.parquet"
    rows = pq.read_table(file)
    added = pa.array([values.get(at) for at in range(rows.num_rows)])
    pq.write_table(rows.append_column(column, added), file)


def _truncate(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _rename(folder: Path, table: str, old: str, new: str) -> None:
    file = folder / f"{table}.parquet"
    pq.write_table(pq.read_table(file).rename_columns({old: new}), file)


def _twice(folder: Path) -> None:
    file = folder / "items.parquet"
    table = pq.read_table(file)
    pq.write_table(table.append_column("title", table.column("title")), file)


def _two_spellings(file: Path, column: str) -> None:
    table = pq.read_table(file)
    table = table.append_column(f" {column}", table.column(column))
    pq.write_table(table.rename_columns({column: column.title()}), file)


def _as_folder(folder: Path) -> None:
    file = folder / "interactions.parquet"
    part = file.read_bytes()
    file.unlink()
    file.mkdir()
    (file / "part-0.parquet").write_bytes(part)


def _ids(table: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        rows = pq.read_metadata(folder / f"{table}.parquet").num_rows
        replace(folder, table, "user_id", pa.array(range(rows), pa.int64()))

    return spoil


def _no_audiobooks(folder: Path) -> None:
    for table in ("items", "interactions"):
        edit(folder, table, lambda rows: [row for row in rows if row["item_type"] == "podcast"])
    (folder / "exposures.parquet").unlink()
    (folder / "links.parquet").unlink()


def _text_vectors(folder: Path, vectors: list[list[float | None] | None]) -> None:
    ids = [f"a{at:03}" for at in range(len(vectors))]
    table = pa.table({"item_id": ids, "vector": pa.array(vectors, pa.list_(pa.float32()))})
    pq.write_table(table, folder / "text_vectors.parquet")


def _scores(folder: Path, scores: list[float | None]) -> None:
    table = pa.table({"item_id": [f"a{at:03}" for at in range(len(scores))], "score": scores})
    pq.write_table(table, folder / "popularity.parquet")


def _both_vectors(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [*rows, {**rows[7], "music_vector": [9.0, 9.0, 9.0, 9.0]}]


FUTURE = datetime(2200, 1, 1, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")

CASES = [
    Case(
        "items missing",
        violations.TableMissing,
        "items",
        lambda folder: (folder / "items.parquet").unlink(),
    ),
    Case(
        "interactions missing",
        violations.TableMissing,
        "interactions",
        lambda folder: (folder / "interactions.parquet").unlink(),
    ),
    Case("a folder of parts", violations.TableNotAFile, "interactions", _as_folder, says="COPY"),
    Case(
        "two files for one table",
        violations.TableTwice,
        "users",
        lambda folder: [
            shutil.copy(folder / "users.parquet", folder / "Users.parquet"),
            (folder / "users.parquet").rename(folder / "user.PARQ"),
        ],
        says="Rename 'Users.parquet' or 'user.PARQ' to 'users.parquet'.",
    ),
    Case(
        "two columns for one",
        violations.ColumnTwice,
        "users.country",
        lambda folder: _two_spellings(folder / "users.parquet", "country"),
        says="Rename the column 'Country' or ' country' to 'country'.",
    ),
    Case(
        "moments beyond every calendar",
        violations.MomentOutOfRange,
        "items.published_at",
        lambda folder: replace(
            folder,
            "items",
            "published_at",
            pa.array([0, 2**62, None, 0, -(2**62)] * 20).cast(pa.timestamp("ms", "UTC")),
        ),
        count=40,
        first=(1, 4, 6, 9, 11),
    ),
    Case(
        "truncated",
        violations.TableUnreadable,
        "interactions",
        lambda folder: _truncate(folder / "interactions.parquet"),
    ),
    Case(
        "no bytes",
        violations.TableUnreadable,
        "users",
        lambda folder: (folder / "users.parquet").write_bytes(b""),
    ),
    Case(
        "damaged inside",
        violations.TableUnreadable,
        "interactions",
        lambda folder: damage(folder / "interactions.parquet"),
    ),
    Case(
        "no interactions",
        violations.TableEmpty,
        "interactions",
        lambda folder: edit(folder, "interactions", lambda rows: []),
    ),
    Case(
        "column missing",
        violations.ColumnMissing,
        "interactions.signal",
        lambda folder: drop(folder, "interactions", "signal"),
    ),
    Case(
        "column of another spelling",
        violations.ColumnMissing,
        "items.item_id",
        lambda folder: _rename(folder, "items", "item_id", "ItemID"),
        says="Rename the column 'ItemID' to 'item_id'.",
    ),
    Case("column twice", violations.ColumnTwice, "items.title", _twice),
    Case(
        "numeric user ids",
        violations.WrongType,
        "users.user_id",
        _ids("users"),
        says="frame['user_id'].astype('Int64').astype('string')",
    ),
    Case(
        "genres as one text",
        violations.WrongType,
        "items.genres",
        lambda folder: replace(folder, "items", "genres", pa.array(["crime"] * 100)),
        says="is string, not list of text",
    ),
    Case(
        "ages as text",
        violations.WrongType,
        "users.age",
        lambda folder: recast(folder, "users", "age", pa.string()),
    ),
    Case(
        "dates for timestamps",
        violations.WrongType,
        "interactions.timestamp",
        lambda folder: recast(folder, "interactions", "timestamp", pa.date32()),
    ),
    Case(
        "timestamps without zone",
        violations.TimestampWithoutZone,
        "interactions.timestamp",
        lambda folder: recast(folder, "interactions", "timestamp", pa.timestamp("us")),
    ),
    Case(
        "publishing date without zone",
        violations.TimestampWithoutZone,
        "items.published_at",
        lambda folder: recast(folder, "items", "published_at", pa.timestamp("ns")),
    ),
    Case(
        "null user id",
        violations.NullId,
        "interactions.user_id",
        lambda folder: put(folder, "interactions", "user_id", {3: None, 8: None}),
        count=2,
        first=(3, 8),
    ),
    Case(
        "null ids all through",
        violations.NullId,
        "exposures.request_id",
        lambda folder: replace(folder, "exposures", "request_id", pa.nulls(40)),
        count=40,
        first=(0, 1, 2, 3, 4),
    ),
    Case(
        "blank item id",
        violations.BlankId,
        "items.item_id",
        lambda folder: edit(
            folder, "items", lambda rows: [*rows, {**rows[0], "item_id": " \t\u3000"}]
        ),
        count=1,
        first=(100,),
    ),
    Case(
        "blank variant",
        violations.BlankId,
        "exposures.variant",
        lambda folder: put(folder, "exposures", "variant", {5: ""}),
        count=1,
        first=(5,),
    ),
    Case(
        "ids of more bytes than characters",
        violations.LongId,
        "interactions.user_id",
        lambda folder: put(
            folder, "interactions", "user_id", {2: "\U0001f600" * 16_384, 5: "x" * 65_535}
        ),
        count=1,
        first=(2,),
        says="longer than 65,535 bytes",
    ),
    Case(
        "item twice",
        violations.DuplicateItem,
        "items.item_id",
        lambda folder: edit(folder, "items", lambda rows: [*rows, rows[2]]),
        count=2,
        first=(2, 100),
    ),
    Case(
        "one id, two types",
        violations.DuplicateItem,
        "items.item_id",
        lambda folder: edit(
            folder, "items", lambda rows: [*rows, {**rows[2], "item_type": "podcast"}]
        ),
        count=2,
        first=(2, 100),
    ),
    Case(
        "user twice",
        violations.DuplicateUser,
        "users.user_id",
        lambda folder: edit(folder, "users", lambda rows: [*rows, rows[4], rows[4]]),
        count=3,
        first=(4, 80, 81),
    ),
    Case(
        "unknown item type",
        violations.UnknownItemType,
        "items.item_type",
        lambda folder: edit(
            folder, "items", lambda rows: [*rows, {**rows[0], "item_id": "m", "item_type": "Movie"}]
        ),
        count=1,
        first=(100,),
        says="'Movie'",
    ),
    Case(
        "null item type",
        violations.UnknownItemType,
        "interactions.item_type",
        lambda folder: put(folder, "interactions", "item_type", {0: None}),
        count=1,
        first=(0,),
    ),
    Case(
        "unknown signals",
        violations.UnknownSignal,
        "interactions.signal",
        lambda folder: put(
            folder, "interactions", "signal", dict.fromkeys(range(0, 70, 10), "Stream")
        ),
        count=7,
        first=(0, 10, 20, 30, 40),
    ),
    Case(
        "null timestamp",
        violations.NullTimestamp,
        "interactions.timestamp",
        lambda folder: put(folder, "interactions", "timestamp", {11: None}),
        count=1,
        first=(11,),
    ),
    Case(
        "event in the future",
        violations.FutureTimestamp,
        "interactions.timestamp",
        lambda folder: put(folder, "interactions", "timestamp", {12: FUTURE}),
        count=1,
        first=(12,),
        says="2200-01-01",
    ),
    Case(
        "music of the future",
        violations.FutureTimestamp,
        "music.timestamp",
        lambda folder: put(folder, "music", "timestamp", {1: FUTURE}),
        count=1,
        first=(1,),
    ),
    Case(
        "a default date",
        violations.EarlyTimestamp,
        "exposures.timestamp",
        lambda folder: put(folder, "exposures", "timestamp", {2: datetime(1970, 1, 1, tzinfo=UTC)}),
        count=1,
        first=(2,),
        says="before 1990",
    ),
    Case(
        "publishing dates of seconds read as milliseconds",
        violations.DateInWrongUnit,
        "items.published_at",
        lambda folder: put(
            folder, "items", "published_at", {3: datetime(1970, 1, 21, 2, 8, 9, tzinfo=UTC)}
        ),
        count=1,
        first=(3,),
        says="a thousand times too near to 1970, as seconds read as milliseconds are",
    ),
    Case(
        "interaction with an unknown item",
        violations.InteractionWithUnknownItem,
        "interactions.item_id",
        lambda folder: put(folder, "interactions", "item_id", {6: "nope"}),
        count=1,
        first=(6,),
        says="'nope'",
    ),
    Case(
        "type against the catalogue",
        violations.ItemTypeContradiction,
        "interactions.item_type",
        lambda folder: edit(
            folder,
            "interactions",
            lambda rows: [*rows, {**rows[0], "item_id": "a001", "item_type": "podcast"}],
        ),
        count=1,
    ),
    *(
        Case(
            f"link {violation.__name__} {str(value)[:9]!r}",
            violation,
            f"links.{column}",
            partial(put, table="links", column=column, values={2: value}),
            count=1,
            first=(2,),
        )
        for violation, column, *values in (
            (violations.NullId, "item_id", None),
            (violations.BlankId, "other_id", " "),
            (violations.LinkOfUnknownItem, "other_id", "nope"),
            (violations.LinkToItself, "other_id", "a012"),
            (
                violations.UnfitRelation,
                "relation",
                None,
                " ",
                "a ",
                "a\nb",
                "x" * 65,
                "co_listened",
            ),
            (violations.FutureTimestamp, "since", FUTURE),
            (violations.DateInWrongUnit, "since", datetime(1970, 1, 21, 2, 8, 9, tzinfo=UTC)),
        )
        for value in values
    ),
    Case(
        "link twice",
        violations.DuplicateLink,
        "links.relation",
        lambda folder: put(folder, "links", "item_id", {2: "a010"}),
        count=2,
        first=(0, 2),
    ),
    Case(
        "exposure of an unknown item",
        violations.ExposureOfUnknownItem,
        "exposures.item_id",
        lambda folder: put(folder, "exposures", "item_id", {9: "nope"}),
        count=1,
        first=(9,),
    ),
    Case(
        "positions from zero",
        violations.PositionOutOfRange,
        "exposures.position",
        lambda folder: put(folder, "exposures", "position", {0: 0, 1: -1, 2: None}),
        count=3,
        first=(0, 1, 2),
    ),
    Case(
        "birth years for ages",
        violations.AgeOutOfRange,
        "users.age",
        lambda folder: put(folder, "users", "age", {1: 1980.0, 2: -1.0, 3: 150.0, 4: INF}),
        count=4,
        first=(1, 2, 3, 4),
    ),
    Case(
        "no vector",
        violations.NullMusicVector,
        "music.music_vector",
        lambda folder: put(folder, "music", "music_vector", {0: None, 2: []}),
        count=2,
        first=(0, 2),
    ),
    Case(
        "a shorter vector",
        violations.MusicVectorLength,
        "music.music_vector",
        lambda folder: put(folder, "music", "music_vector", {4: [1.0, 2.0]}),
        count=1,
        first=(4,),
    ),
    Case(
        "vectors of no numbers",
        violations.NonFiniteMusicVector,
        "music.music_vector",
        lambda folder: put(
            folder,
            "music",
            "music_vector",
            {1: [1.0, NAN, 0.0, 0.0], 2: [INF, 0.0, 0.0, 0.0], 3: [None, 0.0, 0.0, 0.0]},
        ),
        count=3,
        first=(1, 2, 3),
    ),
    Case(
        "two vectors at once",
        violations.MusicVectorConflict,
        "music.music_vector",
        lambda folder: edit(folder, "music", _both_vectors),
        count=2,
        first=(7, 80),
    ),
    Case(
        "text vectors of two lengths",
        violations.TextVectorLength,
        "text_vectors.vector",
        lambda folder: _text_vectors(folder, [[1.0, 2.0], [1.0, 2.0], [1.0]]),
        count=1,
        first=(2,),
    ),
    Case(
        "text vectors of no numbers",
        violations.NonFiniteTextVector,
        "text_vectors.vector",
        lambda folder: _text_vectors(folder, [[1.0, NAN], [1.0, 2.0], None, [None, INF]]),
        count=2,
        first=(0, 3),
    ),
    Case(
        "durations of another unit",
        violations.DurationOutOfRange,
        "interactions.duration_ms",
        lambda folder: _further(
            folder, "interactions", "duration_ms", {1: -1.0, 3: 1.7e12, 4: INF, 5: 60_000.0}
        ),
        count=3,
        first=(1, 3, 4),
    ),
    Case(
        "a shelf of unknown worth",
        violations.UnknownQuality,
        "exposures.quality",
        lambda folder: _further(folder, "exposures", "quality", {2: "Personal", 3: "personal"}),
        count=1,
        first=(2,),
    ),
    Case(
        "an empty shelf that shows something",
        violations.EmptyShelfWithItem,
        "exposures.quality",
        lambda folder: _further(folder, "exposures", "quality", {1: "personal", 3: "empty"}),
        count=1,
        first=(3,),
    ),
    Case(
        "a popularity of no number",
        violations.UnfitScore,
        "popularity.score",
        lambda folder: _scores(folder, [1.0, NAN, None]),
        count=2,
        first=(1, 2),
    ),
    Case(
        "no audiobooks",
        violations.ItemTypeMissing,
        "items.item_type",
        _no_audiobooks,
        says="items has no audiobook",
    ),
]
