"""Sentences that are encoded whenever the encoder runs: its vectors of them tell whether it is
still the one that encoded the rest.

Vectors of texts are kept across runs. An encoder whose weights or whose library changed would add
vectors to them that mean something else, and nothing would say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from colisten.files import write_aside

if TYPE_CHECKING:
    from colisten.text.encoders import TextEncoder

SENTENCES = (
    "A detective returns to the village where she grew up.",
    "The history of bread, told by bakers from five countries.",
    "Zwei Brüder überqueren im Winter die Alpen.",
    "Cómo dormir mejor: ciencia y costumbre.",
    "En liten robot lär sig att sjunga.",
    "Interviews with economists about money and trust.",
    "Space opera. Part three of the Lantern cycle.",
    "1001",
)
_FILE = "golden.npy"


def keep_golden(encoder: TextEncoder, folder: Path) -> None:
    """Encode the sentences and keep their vectors in the encoder's folder of the cache."""
    vectors = encoder.encode(SENTENCES, len(SENTENCES))
    with write_aside(folder / _FILE) as aside, aside.open("wb") as file:
        np.save(file, np.asarray(vectors, dtype=np.float32), allow_pickle=False)


def read_golden(folder: Path) -> NDArray[np.float32]:
    """What the encoder said of the sentences when it last ran, float32 [sentences, dim].

    No row where nobody knows: it has not run since they are kept, or the file is damaged.
    """
    try:
        vectors: NDArray[np.float32] = np.load(folder / _FILE, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return nothing_golden()
    fits = vectors.ndim == 2 and vectors.shape[0] == len(SENTENCES)
    return vectors.astype(np.float32) if fits else nothing_golden()


def nothing_golden() -> NDArray[np.float32]:
    """Where no encoder ran, float32 [0, 0]."""
    return np.zeros((0, 0), dtype=np.float32)
