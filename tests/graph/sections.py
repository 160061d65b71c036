"""The sections of whole settings that functions take, by the names of their parameters."""

from __future__ import annotations

from typing import Any

from colisten.settings.tree import Settings


def of_graph(settings: Settings) -> dict[str, Any]:
    """What `build_graph` takes."""
    return {
        "data": settings.data,
        "graph": settings.graph,
        "engine": settings.engine,
        "folds": settings.cross_fitting.folds,
    }


def of_hgnn(settings: Settings) -> dict[str, Any]:
    """What `train_hgnn` takes."""
    return {"settings": settings.hgnn, "seed": settings.seed, "threads": settings.threads}
