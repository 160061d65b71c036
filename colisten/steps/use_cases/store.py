"""Releases of a folder or of a store, by the same commands: where each of them works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.errors import ConfigError
from colisten.index import open_index
from colisten.index.resolve import resolve_index
from colisten.release.collection import write_collection
from colisten.release.loaded import LoadedRelease
from colisten.release.store import LIVE, ReleaseStore
from colisten.settings.index import IndexSettings
from colisten.steps.cache import Listener, silent
from colisten.steps.use_cases.release import prune_releases
from colisten.store.address import Place, StoreAddress, is_store, store_of

if TYPE_CHECKING:
    from colisten.store.mirror import Mirror


@contextmanager
def home_at(
    place: Place,
    needed: Iterable[str] = (),
    *,
    manifests: bool = False,
    searched: IndexSettings | None = None,
) -> Iterator[Path]:
    """The folder to work in: that of a home itself; of a store one that is pushed at the end.

    Args:
        place: Where releases are.
        needed: Ids of releases that are worked on; the live one is always there.
        manifests: Whether every release is listed.
        searched: Where vectors are searched, as far as somebody set it; exact search is a file of
            the folder, and made there.

    Raises:
        StoreChanged: Another writer was first: nothing of this is served.
        StoreError: The store is out of reach, or is none.
    """
    if isinstance(place, Path):
        yield place
        return
    from colisten.store.places import worked_on

    ids = [one for one in needed if one != LIVE]
    with worked_on(place, ids, manifests=manifests) as mirror:
        if searched is not None:
            live = ReleaseStore(mirror.home).live()
            for release_id in {*ids, *([live] if live else [])}:
                _searchable(mirror.home, release_id, searched)
        yield mirror.home


def home_named(home: str) -> Place:
    """A home as a pipeline names it: a folder, or the address of a store.

    Raises:
        ConfigError: It begins as an address and is none.
    """
    return StoreAddress.parse(home) if is_store(home) else Path(home)


def prune_at(
    place: Place, keep: int, *, index: IndexSettings | None = None, listen: Listener = silent
) -> list[str]:
    """Remove old releases of a folder or a store; see `prune_releases`."""
    if isinstance(place, Path):
        return prune_releases(place, keep, index=index, listen=listen)
    from colisten.store.places import worked_on
    from colisten.store.pruning import prune

    with worked_on(place, manifests=True) as mirror:
        published = ReleaseStore(mirror.home).index_settings()
        resolved = resolve_index(index or IndexSettings(), published)
        with open_index(mirror.home, resolved) as opened:
            return prune(mirror, keep, opened.drop)


def push_home(out: Path, store: StoreAddress) -> int:
    """Bring the releases, features and reports of a folder to a store.

    Args:
        out: The folder of a run.
        store: Which is empty, or was pushed from this folder.

    Returns:
        How many lines of the journal were new there.

    Raises:
        ConfigError: There is no such folder, or nobody else could serve what is in it.
        StoreChanged: The store has releases that the folder has not.
        StoreError: The store is out of reach, or is none.
    """
    from colisten.store.pushing import push, push_results

    mirror = _mirror(out, store)
    with mirror.turn():
        new = push(mirror)
        push_results(mirror.bucket, out)
    return new


def fetch_home(out: Path, store: StoreAddress) -> str | None:
    """Make a folder a mirror of a store, or bring it up to date; returns what is live.

    Raises:
        ConfigError: The folder has releases of its own, or follows another store.
        StoreError: The store is out of reach, or is none.
        ReleaseCorrupt: What it holds is not what it should be; the folder stays as it was.
    """
    out.mkdir(parents=True, exist_ok=True)
    mirror = _mirror(out, store)
    with mirror.turn():
        pointer = mirror.fetch()
    return None if pointer is None else pointer.release_id


def fetch_pages(out: Path, store: StoreAddress) -> int:
    """Bring the pages of the latest run to `out`/reports; returns how many files there are.

    Raises:
        StoreError: The store is out of reach, or is none.
        ReleaseCorrupt: It names a file that lies elsewhere.
    """
    from colisten.store.bucket import Bucket
    from colisten.store.report_pages import fetch_reports

    return fetch_reports(Bucket(store), out)


def _mirror(out: Path, store: StoreAddress) -> Mirror:
    from colisten.store.bucket import Bucket
    from colisten.store.mirror import Mirror

    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")
    return Mirror(out, Bucket(store))


def _searchable(home: Path, release_id: str, searched: IndexSettings) -> None:
    store = ReleaseStore(home)
    resolved = resolve_index(searched, store.index_settings())
    if resolved.backend == "exact":
        with open_index(home, resolved) as index:
            write_collection(LoadedRelease.load(store.folder(release_id), verify=False), index)


__all__ = ["Place", "fetch_home", "home_at", "home_named", "prune_at", "push_home", "store_of"]
