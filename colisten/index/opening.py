"""Which index an output folder uses. Another one is its class and a line in `INDEX_BACKENDS`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from colisten.index.protocol import VectorIndex
from colisten.settings.index import INDEX_BACKENDS, IndexSettings
from colisten.words import known_word


def index_class(backend: str) -> type[VectorIndex]:
    """The class behind `index.backend`, imported when it is asked for.

    Raises:
        ConfigError: There is no such index.
    """
    place = INDEX_BACKENDS[known_word("index.backend", backend, tuple(INDEX_BACKENDS))]
    module, _, name = place.partition(":")
    return cast(type[VectorIndex], getattr(import_module(module), name))


def open_index(root: Path, settings: IndexSettings) -> VectorIndex:
    """Open the index of an output folder; see `VectorIndex.open`.

    Args:
        root: Output folder.
        settings: The `index` section.

    Raises:
        VectorIndexError: It is out of reach, or another process holds it.
    """
    return index_class(settings.backend).open(root, settings)
