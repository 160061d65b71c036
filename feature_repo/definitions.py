"""What every view of a repository is, in a file among its sources.

Equal definitions give equal bytes. The sources' digest covers them, so it stands for the whole
repository; their own digest names the key space that online rows of one meaning share.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colisten.features.lightfeast import FeatureService, FeatureView
from colisten.features.names import DEFINITIONS_FILE
from colisten.files import write_aside
from colisten.json_files import to_json


def write_definitions(
    sources: Path, views: Sequence[FeatureView], services: Sequence[FeatureService]
) -> None:
    """Write them into the folder `sources`."""
    content = {
        "views": {view.name: _described(view) for view in views},
        "services": {
            service.name: [projection.name for projection in service.feature_view_projections]
            for service in services
        },
    }
    with write_aside(sources / DEFINITIONS_FILE) as aside:
        aside.write_text(to_json(content, sort=True, indent=1) + "\n")


def _described(view: FeatureView) -> dict[str, Any]:
    return {
        "entities": list(view.entities),
        "features": {field.name: field.dtype.to_value_type().name for field in view.features},
        "online": view.online,
        "tags": dict(view.tags),
    }
