"""Settings of the vector index."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from colisten.settings.section import Positive, Section, known_or_own

IndexKind = Literal["hnsw", "ivf"]

# Where the class of each index is: another one is its module and a line here.
INDEX_BACKENDS = {
    "exact": "colisten.index.exact:ExactIndex",
    "milvus": "colisten.index.milvus:MilvusIndex",
}


class IndexSettings(Section):
    """Where vectors are searched."""

    backend: str = Field(
        "exact",
        description=f"Index that serves: {' or '.join(INDEX_BACKENDS)}. exact searches in the "
        "service process and is the faster one up to some 100,000 titles; milvus where only "
        "index.uri is set.",
    )
    uri: str | None = Field(
        None,
        pattern=r"^https?://[^@/?#\s]+/?$",
        description="http://host:port of a Milvus server, its credentials in the environment "
        "variable COLISTEN_MILVUS_TOKEN, which is sent to an address given here alone, and beyond "
        "this machine by https:// alone; null means Milvus Lite.",
    )
    kind: IndexKind = Field(
        "hnsw",
        description="Index of a Milvus server's collections: hnsw (a graph; the fastest, and ivf "
        "where it misses index.recall) or ivf (lists, without compression; less memory, and "
        "reaches any recall).",
    )
    recall: float | None = Field(
        0.95,
        gt=0,
        le=1,
        description="Share of the exact index.recall_k nearest that a Milvus server has to find; "
        "its search parameters are the least that do, measured as a release is published. null: "
        "nothing is measured.",
    )
    recall_k: int = Field(
        100, ge=1, le=1000, description="How many nearest items that share is taken of."
    )
    ef: Positive | None = Field(
        None,
        description="Candidates a search of a Milvus server's HNSW index keeps, whatever was "
        "measured; null: what index.recall needs.",
    )

    # Whether somebody's settings name the address, and not a file that a run left.
    _named: bool = PrivateAttr(True)

    @property
    def token_goes_there(self) -> bool:
        """Whether the server at `uri` is sent COLISTEN_MILVUS_TOKEN."""
        return self._named

    def as_published(self) -> Self:
        """The same, where `uri` is what a journal says: it is sent no token."""
        copy = self.model_copy()
        copy._named = False
        return copy

    @field_validator("backend")
    @classmethod
    def _is_known(cls, backend: str) -> str:
        return known_or_own(backend, tuple(INDEX_BACKENDS), own=False)

    @model_validator(mode="after")
    def _a_server_is_milvus(self) -> Self:
        if self.uri is not None and "backend" not in self.model_fields_set:
            # Not as if somebody had set it: see `resolve_index`.
            object.__setattr__(self, "backend", "milvus")
        return self
