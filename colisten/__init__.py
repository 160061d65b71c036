"""colisten: recommend a new content type with the help of established ones.

It implements 2T-HGNN (arXiv 2403.05185): a co-listening graph, a heterogeneous GNN trained on
balanced samples of it, two towers, and the road from tables to a served shelf.

    import colisten

    done = colisten.run("tables", cut="2025-06-16", out="out", window_days=14)
    release = colisten.load_release("out")
    release.recommend("u00000001", k=5)

Names are imported when they are first used, so `import colisten` itself needs neither torch nor
Feast. docs/library.md lists them.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from colisten.telemetry import switch_off
from colisten.threads import set_policy

if TYPE_CHECKING:
    from colisten.evaluation.table import evaluate
    from colisten.graph.build import build_graph
    from colisten.index.filter import Filter
    from colisten.models.hgnn import HGNN
    from colisten.models.towers import TwoTowers
    from colisten.release.front import Recommendation, Release, User, load_release
    from colisten.sampling.multilink import MultiLinkNeighborLoader
    from colisten.settings.tree import Settings
    from colisten.simulator import simulate
    from colisten.steps.use_cases.run import run

# Before anything that reads them is loaded; threads.py and telemetry.py say why.
set_policy(os.environ)
switch_off(os.environ)

# The service and other rooms are inside the package: files in a wheel, links in a checkout. Where
# links are not followed (a Bento) or cannot be made, they lie beside it.
_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib costs 10 ms
if not os.path.isdir(os.path.join(_HERE, "serving")):  # noqa: PTH112, PTH118
    __path__.append(os.path.dirname(_HERE))  # noqa: PTH120

_HOMES = {
    "Settings": "colisten.settings.tree",
    "load_release": "colisten.release.front",
    "Release": "colisten.release.front",
    "User": "colisten.release.front",
    "Recommendation": "colisten.release.front",
    "Filter": "colisten.index.filter",
    "build_graph": "colisten.graph.build",
    "MultiLinkNeighborLoader": "colisten.sampling.multilink",
    "HGNN": "colisten.models.hgnn",
    "TwoTowers": "colisten.models.towers",
    "evaluate": "colisten.evaluation.table",
    "simulate": "colisten.simulator",
    "run": "colisten.steps.use_cases.run",
}

__all__ = [
    "HGNN",
    "Filter",
    "MultiLinkNeighborLoader",
    "Recommendation",
    "Release",
    "Settings",
    "TwoTowers",
    "User",
    "build_graph",
    "evaluate",
    "load_release",
    "run",
    "simulate",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'colisten' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
