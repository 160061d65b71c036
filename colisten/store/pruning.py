"""Old releases of a store: the line first, which decides; then collections and objects."""

from __future__ import annotations

from collections.abc import Callable

from colisten.release.journal import JOURNAL, Journal
from colisten.release.store import ReleaseStore
from colisten.release.writing import writers_turn
from colisten.store.feature_sets import remove_features
from colisten.store.lines import entries_of, kept
from colisten.store.mirror import Mirror
from colisten.store.pushing import push
from colisten.store.release_objects import RELEASES, remove_release


def prune(mirror: Mirror, keep: int, drop: Callable[[str], None]) -> list[str]:
    """Remove all but the latest releases, the live and the previous one.

    Whoever has one in a folder keeps it. What an earlier call left behind goes as well.

    Args:
        mirror: With a manifest of every release; the caller has the turn.
        keep: How many of the latest stay.
        drop: Removes a collection of the index, if it is there.

    Returns:
        Ids of those removed.

    Raises:
        ReleaseError: `keep` is negative.
        StoreChanged: Another writer was first; nothing is removed.
    """
    spare = ReleaseStore(mirror.home).spare(keep)
    with writers_turn(mirror.releases):
        for release_id in spare:
            Journal(mirror.releases / JOURNAL).append("pruned", release_id)
    push(mirror)
    entries = entries_of(mirror.lines())
    gone = {one["release_id"] for one in entries if one["event"] == "pruned"} - set(kept(entries))
    there = {one.name.split("/")[1] for one in mirror.bucket.names(RELEASES)}
    for release_id in sorted(gone & there):
        # The objects last: a crash between leaves a release that is removed by the next call.
        drop(f"release_{release_id}")
        remove_release(mirror.bucket, release_id)
    left = [ReleaseStore(mirror.home).show(release_id) for release_id in kept(entries)]
    remove_features(mirror.bucket, entries, left)
    return spare
