"""Settings of the user tower's place, where that is a Triton server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from colisten.settings.section import Positive, Section, Share

TritonBackend = Literal["python", "onnxruntime"]


class TritonSettings(Section):
    """A Triton server that runs the user tower, and how long it is waited for."""

    url: str = Field(
        "http://127.0.0.1:8000",
        pattern=r"^https?://[^@/?#\s]+/?$",
        description="http://host:port of Triton's HTTP endpoint, read where serving.tower is "
        "triton.",
    )
    deadline_ms: Positive = Field(
        30,
        le=10_000,
        description="Longest wait for a vector, tries together; then the tower in process answers.",
    )
    retry_share: Share = Field(
        0.1,
        description="Share of the calls that may be tried again after a lost connection: a retry "
        "budget, so that an outage is not answered by twice the calls.",
    )
    repository: str | None = Field(
        None,
        description="Folder of models that Triton reads too; null: OUT/triton/models.",
    )
    backend: TritonBackend = Field(
        "python",
        description="What runs a model: python (ONNX Runtime inside Triton's Python backend) or "
        "onnxruntime, which NVIDIA's images have.",
    )
    batch: Positive = Field(64, description="Most rows that a model takes at once.")
    queue: Positive = Field(64, description="Requests that wait for a model; the next is rejected.")
    load_seconds: float = Field(
        60.0, gt=0, description="Longest wait for Triton to load a release's model."
    )
    unload: bool = Field(
        True,
        description="Unload a model when the last process of this output folder has left its "
        "release; false where services on other disks share the server.",
    )
