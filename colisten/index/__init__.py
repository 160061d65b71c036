"""Vector search: one promise, kept by exact search and by Milvus."""

from colisten.index.exact import ExactIndex
from colisten.index.opening import open_index
from colisten.index.protocol import VectorIndex

__all__ = ["ExactIndex", "VectorIndex", "open_index"]
