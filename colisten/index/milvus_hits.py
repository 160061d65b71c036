"""What is asked of Milvus as a filter, and what is made of its hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from colisten.index.protocol import Hits

# What a quoted text of an expression cannot hold as it is. Milvus Lite reads no \u, and no escape
# is needed for the other control characters.
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r"})


class Hit(NamedTuple):
    """One found item."""

    item: str
    score: float
    row: int
    language: str


def expression(language: str | None, exclude: Sequence[str]) -> str:
    """A filter expression of checked values, each text quoted."""
    parts = []
    if language is not None:
        parts.append(f"language == {_quoted(language)}")
    if exclude:
        parts.append(f"item_id not in [{', '.join(_quoted(item) for item in exclude)}]")
    return " and ".join(parts)


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def best_hits(found: list[list[Hit]], k: int, language: str | None, gone: set[str]) -> Hits:
    """Filter, order by score and row, cut at k."""
    all_ids: list[list[str]] = []
    all_scores: list[np.ndarray] = []
    for answer in found:
        kept = [
            hit
            for hit in answer
            if hit.item not in gone and (language is None or hit.language == language)
        ]
        kept.sort(key=lambda hit: (-hit.score, hit.row))
        all_ids.append([hit.item for hit in kept[:k]])
        all_scores.append(np.array([hit.score for hit in kept[:k]], dtype=np.float32))
    return all_ids, all_scores
