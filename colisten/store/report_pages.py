"""The pages that the latest run left in a store, brought to a folder for whoever shows them."""

from __future__ import annotations

from pathlib import Path

from colisten.files import write_aside
from colisten.store.bucket import Bucket
from colisten.store.safe_names import inside

REPORTS = "reports"
"""In a store as in a home."""


def fetch_reports(bucket: Bucket, out: Path) -> int:
    """Bring `out`/reports to what the store has: each file whole, and none that is gone there.

    Args:
        bucket: The store.
        out: A folder of nobody else.

    Returns:
        How many files there are.

    Raises:
        StoreError: The store is out of reach, or somebody writes there; again is enough.
        ReleaseCorrupt: It names a file that lies elsewhere.
    """
    folder = out / REPORTS
    folder.mkdir(parents=True, exist_ok=True)
    listed = {inside(out, one.name): one for one in bucket.names(f"{REPORTS}/")}
    for file, one in listed.items():
        with write_aside(file) as aside:
            bucket.fetch(one.name, aside, one.bytes, otherwise="Fetch again.")
    for file in folder.rglob("*"):
        if file.is_file() and file not in listed:
            file.unlink()
    return len(listed)
