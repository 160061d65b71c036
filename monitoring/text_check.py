"""Whether text vectors are those of their items and the encoder's is the one of the release before.

A fingerprint of each vector is kept with the digest of the text that it is of: 16 numbers, close
where the vectors are. Vectors that were permuted, zeroed or made by another encoder change theirs
while the texts stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import ColistenError
from colisten.files import write_aside
from colisten.logs import logger
from colisten.monitoring.check import Check, share_text

LENGTH = 16
"""Numbers of a fingerprint."""

_GOLDEN = "golden:"
_LIMIT = 0.01
# Rounding of an encoder on another machine stays far below, another text far above.
_APART = 0.05
_FEW = 5
_KEEP = 2
_PREFIX = "texts-"
_log = logger("monitoring.text")


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Fingerprints of item texts and golden sentences.

    Attributes:
        keys: object [n], ids of items, and of golden sentences.
        digests: object [n], of their texts; empty where there is none.
        marks: float32 [n, LENGTH]; zero where the vector is.
    """

    keys: np.ndarray
    digests: np.ndarray
    marks: np.ndarray

    @classmethod
    def of(
        cls,
        item_ids: Sequence[str],
        texts: Sequence[str],
        vectors: np.ndarray,
        golden: np.ndarray,
    ) -> Self:
        """Of a catalogue.

        Args:
            item_ids: Ids, n of them.
            texts: What was encoded; empty where an item has no text.
            vectors: float32 [n, dim].
            golden: float32 [sentences, dim]; no row where no encoder ran.
        """
        marks = np.asarray(vectors, dtype=np.float32) @ _signs(vectors.shape[1])
        keys, digests = list(item_ids), [_digest(text) for text in texts]
        if len(golden):
            keys += [f"{_GOLDEN}{at}" for at in range(len(golden))]
            digests += ["golden"] * len(golden)
            marks = np.concatenate([marks, golden @ _signs(golden.shape[1])])
        return cls(np.array(keys, dtype=object), np.array(digests, dtype=object), marks)

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """What `write` wrote; None where it is not there or cannot be read."""
        if not file.is_file():
            return None
        try:
            table = parquet.read(file)
            marks = np.array(table.column("mark").to_pylist(), dtype=np.float32)
            return cls(
                np.array(table.column("key").to_pylist(), dtype=object),
                np.array(table.column("digest").to_pylist(), dtype=object),
                marks.reshape(table.num_rows, LENGTH),
            )
        except (OSError, ColistenError, pa.ArrowException, KeyError, ValueError) as error:
            _log.warning("fingerprints unreadable", file=str(file), reason=str(error)[:300])
            return None

    def write(self, file: Path) -> None:
        """One row per key."""
        flat = pa.array(np.ascontiguousarray(self.marks, dtype=np.float32).ravel())
        table = pa.table(
            {
                "key": pa.array(self.keys.tolist(), pa.string()),
                "digest": pa.array(self.digests.tolist(), pa.string()),
                "mark": pa.FixedSizeListArray.from_arrays(flat, LENGTH),
            }
        )
        with write_aside(file) as aside:
            parquet.write(table, aside)


def fingerprints_before(folder: Path, release: str) -> Fingerprints | None:
    """The fingerprints that were kept last with another release; None where there are none."""
    files = [one for one in folder.glob(f"{_PREFIX}*.parquet") if one.stem != f"{_PREFIX}{release}"]
    files.sort(key=lambda one: (one.stat().st_mtime_ns, one.name))
    return Fingerprints.read(files[-1]) if files else None


def keep_fingerprints(folder: Path, release: str, marks: Fingerprints) -> None:
    """Keep a release's fingerprints, and those of the `_KEEP` releases before it."""
    marks.write(folder / f"{_PREFIX}{release}.parquet")
    files = sorted(folder.glob(f"{_PREFIX}*.parquet"), key=lambda one: one.stat().st_mtime_ns)
    for file in files[: -_KEEP - 1]:
        file.unlink(missing_ok=True)


def text_checks(before: Fingerprints | None, now: Fingerprints) -> Iterator[Check]:
    """Zero vectors of items with a text; vectors that changed though their text did not.

    Args:
        before: Of the release before; None where there is none.
        now: Of the release.
    """
    golden = np.array([str(key).startswith(_GOLDEN) for key in now.keys], dtype=bool)
    told = (now.digests != "") & ~golden
    if told.any():
        zero = float((~now.marks[told].any(axis=1)).mean())
        says = f"{share_text(zero)} of items with a text have a zero text vector"
        yield _check("zero vectors", zero, says)
    if before is None:
        return
    place = {key: at for at, key in enumerate(before.keys)}
    then = np.array([place.get(key, -1) for key in now.keys], dtype=np.int64)
    same = (then >= 0) & (now.digests != "")
    same[same] = before.digests[then[same]] == now.digests[same]
    apart = np.zeros(len(same), dtype=bool)
    apart[same] = _apart(before.marks[then[same]], now.marks[same])
    if (same & golden).any():
        share = float(apart[same & golden].mean())
        yield _check(
            "encoder", share, f"{share_text(share)} of golden sentences have another vector"
        )
    items = same & ~golden
    if items.sum() >= _FEW:
        share = float(apart[items].mean())
        moved = apart & items & now.marks.any(axis=1)
        foreign = _foreign(before.marks[then[items]], now.marks[moved])
        says = f"{share_text(share)} of items with the same text have another text vector"
        if share > _LIMIT and foreign > 0.5:
            says += f", {share_text(foreign)} of them that of another item"
        yield _check("item vectors", share, says)


def _check(of: str, share: float, says: str) -> Check:
    moved = share > _LIMIT
    return Check("text_vectors", of, share, 0.0, None, _LIMIT, "fixed", moved, says)


def _apart(then: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Whether marks [n, LENGTH] differ by more than rounding, bool [n]."""
    size = np.maximum(np.linalg.norm(then, axis=1), np.linalg.norm(now, axis=1))
    apart: np.ndarray = np.linalg.norm(then - now, axis=1) > _APART * np.maximum(size, 1e-9)
    return apart


def _foreign(then: np.ndarray, moved: np.ndarray) -> float:
    """Share of moved marks [m, LENGTH] that stood at some item before; 0 where none moved."""
    if not len(moved):
        return 0.0
    known = {tuple(row) for row in np.round(then, 2).tolist()}
    return sum(tuple(row) in known for row in np.round(moved, 2).tolist()) / len(moved)


def _signs(dim: int) -> np.ndarray:
    """A projection that is the same everywhere and always, float32 [dim, LENGTH] of +-1/4."""
    bits = [
        hashlib.sha256(f"colisten text fingerprint {at}".encode()).digest()[0:2]
        for at in range(dim)
    ]
    signs = np.unpackbits(np.frombuffer(b"".join(bits), dtype=np.uint8)).reshape(dim, LENGTH)
    scaled: np.ndarray = (signs.astype(np.float32) - 0.5) / 2
    return scaled


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else ""
