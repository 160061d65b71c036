"""The figures of the last drift report, brought from a store to the mirror that is served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from colisten.errors import StoreError
from colisten.files import write_aside
from colisten.logs import logger

if TYPE_CHECKING:
    from colisten.store.bucket import Bucket  # asks for boto3, which a service of a folder lacks

FIGURES = "reports/drift.json"
"""In a store as in a home."""
_MOST_BYTES = 1 << 20
_log = logger("store")


def fetch_drift(bucket: Bucket, home: Path) -> None:
    """Bring a mirror's copy up to date; one that the store has not got goes.

    Nothing that is served hangs on it, so that what cannot be read is said and no more.
    """
    file = home / FIGURES
    try:
        figures = bucket.read(FIGURES, most=_MOST_BYTES)
        if figures is None:
            file.unlink(missing_ok=True)
        elif not file.is_file() or file.read_bytes() != figures:
            with write_aside(file) as aside:
                aside.write_bytes(figures)
    except (StoreError, OSError) as error:
        _log.warning("drift_not_fetched", error=str(error)[:500])
