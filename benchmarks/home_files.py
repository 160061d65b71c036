"""What lies in a home: which files what is live is served from, and what a killed writer left."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from colisten.data import parquet
from colisten.files import file_digest, folder_digests
from colisten.release.feature_files import features_of
from colisten.release.journal import JOURNAL, Journal
from colisten.release.store import ReleaseStore


def published(home: Path) -> set[str]:
    """Ids of all releases that were written and verified."""
    entries = Journal(home / "releases" / JOURNAL).entries()
    return {str(entry["release_id"]) for entry in entries if entry["event"] == "published"}


def served_bytes(home: Path) -> dict[str, str]:
    """Digest of every file that what is live is served from; none where nothing is."""
    if (live := ReleaseStore(home).live_manifest()) is None:
        return {}
    folders = {
        "releases": home / "releases" / live.release_id,
        "features": features_of(home, live),
        "index": home / "index" / "exact" / live.collection,
    }
    found = {
        f"{name}/{file}": digest
        for name, folder in folders.items()
        for file, digest in folder_digests(folder).items()
    }
    files = [home / "releases" / "LIVE", *(home / "features").glob("online_*.db")]
    files += (home / "index" / "exact").glob("aliases.json")
    return found | {file.name: file_digest(file) for file in files}


def changed(before: dict[str, str], home: Path) -> list[str]:
    """Names of files that are others than before, or are not there."""
    after = served_bytes(home)
    return sorted(name for name in before | after if before.get(name) != after.get(name))


def leftovers(home: Path) -> list[str]:
    """What a killed writer left, by its path."""
    served = (home / name for name in ("releases", "features", "index"))
    return sorted(
        str(path.relative_to(home)) for folder in served for path in folder.rglob(".*.partial")
    )


def online_rows(home: Path) -> list[tuple[str, int]]:
    """Which files hold online rows now; a fill puts another one in the place of each."""
    return [(file.name, file.stat().st_ino) for file in (home / "features").glob("online_*.db")]


def live_since(home: Path) -> float:
    """Moment at which what is live became so."""
    flips = [
        entry
        for entry in Journal(home / "releases" / JOURNAL).entries()
        if entry["event"] in ("promoted", "rolled_back")
    ]
    return datetime.fromisoformat(flips[-1]["at"]).timestamp()


def titles(home: Path, release_id: str) -> frozenset[str]:
    """What a release knows."""
    items = parquet.read(home / "releases" / release_id / "items.parquet", columns=["item_id"])
    return frozenset(items["item_id"].to_pylist())
