"""Text vectors for the whole catalogue, encoding only texts not seen before."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.errors import TextError
from colisten.files import sweep_partials, write_aside
from colisten.logs import logger
from colisten.parts import is_own, part_digest
from colisten.progress import track
from colisten.settings.sections import TextSettings
from colisten.text.encoders import TextEncoder, load_encoder
from colisten.text.golden import keep_golden, read_golden

# A killed run loses at most this many encoded texts.
SHARD = 4096

log = logger("text")


def embed_items(catalogue: Catalogue, settings: TextSettings, cache: Path) -> NDArray[np.float32]:
    """Unit text vectors `[num_items, dim]`, float32; an item without text has a zero row.

    Args:
        catalogue: Items in the order of the result.
        settings: Encoder and how much of a text it sees.
        cache: Folder that keeps every vector by digest of its text, across runs.

    Raises:
        TextError: The encoder cannot be loaded, or gave a vector that is not finite.
    """
    texts = item_texts(catalogue, settings.max_chars)
    keys = [_key(text) if text else "" for text in texts]
    folder = _folder_of(settings, cache)
    store = _VectorCache(folder)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if text}
    known = len(missing)
    for key in store.keys & missing.keys():
        del missing[key]
    log.info("text vectors", texts=known, to_encode=len(missing), encoder=settings.encoder)
    if missing or not store.keys:
        encoder = load_encoder(settings.encoder)
        store.dim = encoder.dim
        keep_golden(encoder, folder)
        _encode(missing, encoder, settings.batch_size, store)
    return store.rows(keys)


def golden_vectors(settings: TextSettings, cache: Path) -> NDArray[np.float32]:
    """What the encoder said of `golden.SENTENCES` when it last ran; see `read_golden`."""
    return read_golden(_folder_of(settings, cache))


def own_vectors(catalogue: Catalogue, file: Path) -> NDArray[np.float32]:
    """Vectors that somebody computed elsewhere as unit rows `[num_items, dim]`, float32.

    Args:
        catalogue: Items in the order of the result; one that the file lacks has a zero row.
        file: `text_vectors.parquet` of a history.

    Raises:
        TextError: It holds no vector.
    """
    table = parquet.read(file)
    if not table.num_rows:
        raise TextError(f"{file} has no vector of any item.", "Check its ids against items.")
    given = np.array(table.column("vector").to_pylist(), dtype=np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    vectors = np.zeros((len(catalogue), given.shape[1]), dtype=np.float32)
    vectors[catalogue.index_of(table.column("item_id"))] = given / np.where(lengths, lengths, 1.0)
    log.info("text vectors of your own", items=table.num_rows, dim=given.shape[1])
    return vectors


def item_texts(catalogue: Catalogue, max_chars: int) -> list[str]:
    """Title and description of each item as one text; empty where it has neither."""
    titles = catalogue.titles
    descriptions = catalogue.table.column("description").to_pylist()
    return [
        ". ".join(part for part in (title, description) if part)[:max_chars]
        for title, description in zip(titles, descriptions, strict=True)
    ]


def _folder_of(settings: TextSettings, cache: Path) -> Path:
    own = f"--{part_digest(settings.encoder)}" if is_own(settings.encoder) else ""
    return cache / f"{settings.encoder.replace('/', '--')}{own}"


def _encode(
    missing: dict[str, str], encoder: TextEncoder, batch_size: int, store: _VectorCache
) -> None:
    # Texts of like length share a batch, so little of it is padding.
    order = sorted(missing, key=lambda key: (len(missing[key]), key))
    starts = range(0, len(order), batch_size)
    keys: list[str] = []
    vectors: list[NDArray[np.float32]] = []
    for start in track(starts, "encoding text"):
        batch = order[start : start + batch_size]
        encoded = encoder.encode([missing[key] for key in batch], batch_size)
        if not np.isfinite(encoded).all():
            raise TextError(f"Encoder '{encoder.name}' gave a vector that is not finite.")
        keys.extend(batch)
        vectors.append(encoded)
        if len(keys) >= SHARD:
            store.add(keys, np.concatenate(vectors))
            keys, vectors = [], []
    if keys:
        store.add(keys, np.concatenate(vectors))


class _VectorCache:
    """Shards of (key, vector) in one folder, only ever added to."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(folder)
        self._folder = folder
        self._shards: list[NDArray[np.float32]] = []
        self._place: dict[str, tuple[int, int]] = {}
        self.dim = 0
        for file in sorted(folder.glob("*.parquet")):
            table = parquet.read(file)
            column = table.column("vector").combine_chunks()
            self._note(table.column("key").to_pylist(), _matrix(column, table.num_rows))

    @property
    def keys(self) -> set[str]:
        return set(self._place)

    def add(self, keys: list[str], vectors: NDArray[np.float32]) -> None:
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
        column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:24]
        with write_aside(self._folder / f"{name}.parquet") as file:
            parquet.write(pa.table({"key": pa.array(keys), "vector": column}), file)
        self._note(keys, np.asarray(vectors, dtype=np.float32))

    def rows(self, keys: list[str]) -> NDArray[np.float32]:
        out = np.zeros((len(keys), self.dim), dtype=np.float32)
        for row, key in enumerate(keys):
            if key:
                shard, place = self._place[key]
                out[row] = self._shards[shard][place]
        return out

    def _note(self, keys: list[str], vectors: NDArray[np.float32]) -> None:
        self.dim = vectors.shape[1]
        shard = len(self._shards)
        self._shards.append(vectors)
        self._place.update((key, (shard, place)) for place, key in enumerate(keys))


def _matrix(column: pa.FixedSizeListArray, rows: int) -> NDArray[np.float32]:
    matrix: NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False).reshape(rows, -1)
    return matrix


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
