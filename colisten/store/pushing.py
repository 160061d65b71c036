"""From a home to its store: files first, then the lines that make them so."""

from __future__ import annotations

from pathlib import Path

from colisten.errors import ConfigError
from colisten.logs import logger
from colisten.release.journal import JOURNAL, Journal
from colisten.store.bucket import Bucket
from colisten.store.feature_sets import push_features
from colisten.store.lines import append_line, changed, entries_of, kept, listed_lines, read_lines
from colisten.store.mirror import Mirror
from colisten.store.release_objects import push_release

RESULTS = ("reports", "shelves", "recommendations.parquet", "metrics.json", "slices.json")
"""What a run leaves beside its releases, for people to read."""
log = logger("store")


def push(mirror: Mirror) -> int:
    """Bring what a home has and its store lacks to the store; the caller has the turn.

    The same call again goes on where one was cut off. Lines are created in order; where another
    writer was first, nothing from there on is written.

    Args:
        mirror: A mirror, or a home of its own that the store is a copy of.

    Returns:
        How many lines the store has got.

    Raises:
        StoreChanged: Another writer was first.
        StoreError: The store is out of reach, or takes no conditional write.
        ConfigError: Nobody else could serve it: its index or its online features are files here.
        ReleaseCorrupt: A release is not what its manifest says.
    """
    bucket, own = mirror.bucket, mirror.lines()
    mark = mirror.mark()
    known = 0 if mark is None else mark.lines
    listed = listed_lines(bucket, known)
    theirs = read_lines(bucket, [one.name for one in (listed[1:] if known else listed)])
    if own[known : known + len(theirs)] != theirs:
        raise changed(bucket)
    first = known + len(theirs)
    fresh = own[first:]
    if fresh:
        bucket.check_creation()
        _push_files(mirror, own, fresh)
    for number, line in enumerate(fresh, start=first + 1):
        append_line(bucket, number, line)
    if mark is not None and (fresh or theirs):
        mirror.wrote(len(own))
    if fresh:
        log.info("store pushed", store=str(bucket.address), lines=len(fresh))
    return len(fresh)


def push_results(bucket: Bucket, home: Path) -> None:
    """Bring the pages and tables that a run leaves to the store; the latest ones stand there."""
    for name in RESULTS:
        place = home / name
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for file in files:
            if file.is_file() and not file.name.startswith("."):
                bucket.store(file.relative_to(home).as_posix(), file)


def _push_files(mirror: Mirror, own: list[bytes], fresh: list[bytes]) -> None:
    entries, there = entries_of(fresh), set(kept(entries_of(own)))
    index = Journal(mirror.releases / JOURNAL).index_settings()
    if index is not None and index.backend == "milvus" and index.uri is None:
        raise ConfigError(
            f"The latest release of {mirror.home} was published to Milvus Lite, a file of that "
            "folder.",
            "`colisten release publish live` with index.uri=http://... or index.backend=exact "
            "first.",
        )
    push_features(mirror.bucket, mirror.home, entries_of(own), entries)
    files = ("published", "signed")
    named = dict.fromkeys(one["release_id"] for one in entries if one["event"] in files)
    for release_id in named:
        if release_id in there:
            push_release(mirror.bucket, mirror.releases / release_id)
