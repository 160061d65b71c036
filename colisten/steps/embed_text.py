"""Step: text vectors for every item."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from colisten.settings.sections import TextSettings
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.tables import History
from colisten.steps.artifacts.vectors import TextVectors


class Embedded(NamedTuple):
    """The vectors."""

    vectors: TextVectors
    metrics: Metrics


def embed_text(history: History, cache: Path, *, text: TextSettings, threads: int) -> Embedded:
    """Encode titles and descriptions, unless the history holds vectors of somebody's own.

    Only texts not seen before reach the encoder.

    Args:
        history: Checked tables.
        cache: Folder that keeps vectors across runs.
        threads: What the step is run with (`execute`); they decide the last bits.

    Raises:
        TextError: The encoder cannot be loaded, or gave a vector that is not finite.
    """
    from colisten.data.contract import TEXT_VECTORS
    from colisten.text.golden import nothing_golden
    from colisten.text.vectors import embed_items, golden_vectors, own_vectors

    own = history.folder / TEXT_VECTORS.file_name
    if own.exists():
        matrix, golden = own_vectors(history.catalogue, own), nothing_golden()
    else:
        matrix = embed_items(history.catalogue, text, cache)
        golden = golden_vectors(text, cache)
    figures = {
        "items": float(len(matrix)),
        "items_with_text": float(matrix.any(axis=1).sum()),
        "dim": float(matrix.shape[1]),
    }
    return Embedded(TextVectors(matrix, golden), Metrics(figures))
