"""The golden set: a few users with the answer they must get, wherever the release is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ReleaseError
from colisten.features.users import UserFields
from colisten.json_files import read_mapping, write_json

FOLDER = "golden_set"
_FOLDER_BEFORE = "canary"  # of releases published until November 2026
LIMIT = 32
TOP = 10
TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class GoldenSet:
    """C users, what the tower sees of them and what they are answered.

    Attributes:
        rows: The feature store's answer, without the users' names.
        features: float32 [C, width].
        vectors: float32 [C, dim].
        top_ids: Ids of each one's ten nearest items, by exact search.
        top_scores: Their scores.
    """

    rows: pa.Table
    features: np.ndarray
    vectors: np.ndarray
    top_ids: list[list[str]]
    top_scores: list[list[float]]

    def write(self, release: Path) -> None:
        """Write rows, arrays and answers to a release's folder."""
        folder = release / FOLDER
        folder.mkdir(parents=True)
        parquet.write(self.rows, folder / "rows.parquet")
        np.save(folder / "features.npy", self.features)
        np.save(folder / "vectors.npy", self.vectors)
        top = {"ids": self.top_ids, "scores": self.top_scores}
        write_json(folder / "top.json", top, indent=None)

    @classmethod
    def read(cls, release: Path) -> GoldenSet:
        """Read what `write` wrote; raises ReleaseError where a file is missing or unreadable."""
        folder = release / FOLDER
        if not folder.is_dir():
            folder = release / _FOLDER_BEFORE
        try:
            top = read_mapping(folder / "top.json")
            return cls(
                parquet.read(folder / "rows.parquet"),
                np.load(folder / "features.npy"),
                np.load(folder / "vectors.npy"),
                top["ids"],
                top["scores"],
            )
        except (OSError, ValueError, KeyError, EOFError, pa.ArrowException) as error:
            raise ReleaseError(f"Cannot read the golden set in {folder}: {error}.") from error


def golden_rows(table: pa.Table | None, fields: UserFields) -> pa.Table:
    """The columns of feature rows that the tower reads, users renamed.

    A release is copied around and its golden set with it, so they carry no user id.

    Args:
        table: Feature rows (see `UserBatch.from_table`), of which the first 32 are taken; None
            gives one user of whom nothing is known, which every release must answer as well.
        fields: What the tower reads.

    Raises:
        ReleaseError: A column is missing.
    """
    schema = list(fields.schema)
    unknown = {field.name: pa.array([None], field.type) for field in schema}
    known = [] if table is None else [_columns(table.slice(0, LIMIT - 1), schema)]
    rows = pa.concat_tables([*known, pa.table(unknown, schema=pa.schema(schema))])
    names = pa.array([f"golden-{at:02d}" for at in range(len(rows))], pa.string())
    return rows.set_column(0, schema[0], names).combine_chunks()


def _columns(table: pa.Table, schema: list[pa.Field]) -> pa.Table:
    missing = [field.name for field in schema if field.name not in table.column_names]
    if missing:
        raise ReleaseError(f"The golden rows lack the column {missing[0]}.")
    columns = [table.column(field.name).cast(field.type) for field in schema]
    return pa.table(columns, schema=pa.schema(schema))
