"""The golden set: a few users with the answer they must get, wherever the release is loaded.

They are users who never were (`colisten.release.synthetic_users`): a release is copied around.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ReleaseError
from colisten.json_files import read_mapping, write_json

FOLDER = "golden_set"
NAMED = "synthetic"
_FOLDER_BEFORE = "canary"  # of releases published until November 2026
USERS = 32
TOP = 10
TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class GoldenSet:
    """C users, what the tower sees of them and what they are answered.

    Attributes:
        rows: What a feature store would answer for them; releases published until November 2026
            hold rows of real users, without their names.
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


def holds_people(release: Path) -> bool:
    """Whether a release is of a version that recorded answers to real users."""
    try:
        names = GoldenSet.read(release).rows["user_id"].to_pylist()
    except (ReleaseError, KeyError):
        return False
    return not all(str(name).startswith(NAMED) for name in names)
