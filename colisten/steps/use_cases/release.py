"""Releases of an output folder: listed, verified, made live, published again and removed.

Those that need an index find it by one rule (`resolve_index`): what somebody set, field by field,
and elsewhere the one that the latest release was published to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from colisten.errors import ConfigError, ReleaseError, VectorIndexError
from colisten.index import VectorIndex, open_index
from colisten.index.resolve import resolve_index
from colisten.release.card import Card
from colisten.release.manifest import Manifest
from colisten.release.states import ReleaseState
from colisten.release.store import LIVE, ReleaseStore
from colisten.release.verify import Verification
from colisten.release.writing import writers_turn
from colisten.settings.index import IndexSettings
from colisten.settings.sections import FeatureSettings
from colisten.steps.cache import Listener, StepEvent, silent
from colisten.steps.online_features import fill_again, fill_online


@dataclass(frozen=True)
class Rollback:
    """Which release is live now, and which was."""

    live: str
    previous: str | None


def list_releases(out: Path) -> list[ReleaseState]:
    """All releases, latest published first; raises ConfigError where `out` is no folder."""
    return _store(out).list()


def show_release(out: Path, release_id: str = LIVE) -> tuple[ReleaseState, Manifest]:
    """What state a release is in, and what it is made of.

    Args:
        out: Folder that owns the releases.
        release_id: Its id, or `live`.

    Raises:
        ConfigError: `out` is no folder.
        ReleaseNotFound: There is none of that id, or none is live.
        ReleaseCorrupt: Its manifest cannot be read.
    """
    store = _store(out)
    release_id = store.resolve(release_id)
    state = next(one for one in store.list() if one.release_id == release_id)
    return state, store.show(release_id)


def release_card(out: Path, release_id: str = LIVE) -> Card:
    """The model card of a release; args and errors are those of `show_release`."""
    store = _store(out)
    release_id = store.resolve(release_id)
    return Card.read(store.folder(release_id), store.software(release_id))


def verify_release(
    out: Path,
    release_id: str = LIVE,
    *,
    index: IndexSettings | None = None,
    public_key: str | Path | None = None,
    listen: Listener = silent,
) -> Verification:
    """Check a release's files, golden set and index collection; what is wrong is in the result.

    Args:
        out: Folder that owns the releases.
        release_id: Its id, or `live`.
        index: Where its vectors are searched, as far as somebody set it.
        public_key: File of the key that it must be signed by; None where none is asked for.
        listen: Called as the work begins and ends.

    Raises:
        ConfigError: `out` is no folder.
        ReleaseNotFound: There is none of that id, or none is live.
        ReleaseCorrupt: A file differs from its digest.
        ReleaseUnsigned: It is not signed by that key.
        VectorIndexError: The index is out of reach.
    """
    store = _store(out, public_key)
    release_id = store.resolve(release_id)
    store.check_signature(store.show(release_id))
    with _at_work("verify", listen), _opened(store, index) as opened:
        return store.verify(release_id, opened)


def promote_release(
    out: Path,
    release_id: str,
    *,
    index: IndexSettings | None = None,
    public_key: str | Path | None = None,
    keep_days: int | None = None,
    listen: Listener = silent,
) -> Verification:
    """Verify a release, then make it the live one; a running service follows by itself.

    Its features go with it: online rows that do not know its cut yet are filled first. Args and
    errors are those of `verify_release`, and:

    Args:
        keep_days: Of users' online rows, see `features.online_keep_days`.

    Raises:
        FeatureError: The online store is out of reach; what was live stays.
        VerifyFailed: It does not answer as recorded; what was live stays.
    """
    store = _store(out, public_key)
    store.folder(release_id)
    with _at_work("promote", listen), _opened(store, index) as opened:
        fill = partial(fill_online, out, keep_days=keep_days)
        return store.promote(release_id, opened, fill=fill)


def fill_release(
    out: Path, *, features: FeatureSettings | None = None, listen: Listener = silent
) -> str:
    """Fill the online store with the live release's features, whatever it was filled with before.

    What users did since the cut stays where the store still knows it.

    Args:
        out: Folder that owns the releases.
        features: Where rows are kept from now on; None: where they are, in a store that lost them.
        listen: Called as the work begins and ends.

    Returns:
        The id of the live release.

    Raises:
        ConfigError: `out` is no folder.
        ReleaseNotFound: None is live.
        ReleaseError: The live one is of a version that bound no features.
        FeatureError: The online store is out of reach.
    """
    store = _store(out)
    release = store.show(store.resolve())
    if release.features is None:
        raise ReleaseError(
            f"{release.release_id} names no features of its own.", "Run `colisten run` again."
        )
    with _at_work("fill", listen), writers_turn(store.releases):
        fill_online(out, release, features=features, again=True)
    return release.release_id


def republish_release(
    out: Path,
    release_id: str = LIVE,
    *,
    index: IndexSettings | None = None,
    listen: Listener = silent,
) -> Verification:
    """Write a release's collection to an index that lacks it: another one, or one that lost it.

    Commands and services that name no index search this one from then on.

    Args and errors are those of `verify_release`, and:

    Raises:
        VerifyFailed: The release does not answer as recorded.
    """
    store = _store(out)
    release_id = store.resolve(release_id)
    with _at_work("publish", listen), _opened(store, index) as opened:
        return store.republish(release_id, opened)


def roll_back(
    out: Path,
    *,
    index: IndexSettings | None = None,
    public_key: str | Path | None = None,
    listen: Listener = silent,
) -> Rollback:
    """Make the previous release live again; a second time undoes the first.

    Works without the index, which a notice then says.

    Args:
        out: Folder that owns the releases.
        index, public_key: As `verify_release`.
        listen: Called as the work begins and ends, and with that notice.

    Raises:
        ConfigError: `out` is no folder.
        ReleaseError: There is no previous release.
        ReleaseCorrupt: Its files differ from their digests; what was live stays.
        ReleaseUnsigned: It is not signed by that key; what was live stays.
    """
    store = _store(out, public_key)
    left = store.live()
    with _at_work("roll back", listen), _opened_if_there(store, index, listen) as opened:
        return Rollback(store.rollback(opened, fill=partial(fill_again, out)), left)


def prune_releases(
    out: Path, keep: int, *, index: IndexSettings | None = None, listen: Listener = silent
) -> list[str]:
    """Remove all but the latest releases and their collections; the live and the previous stay.

    Args:
        out: Folder that owns the releases.
        keep: How many of the latest stay.
        index: As `verify_release`.
        listen: Called as the work begins and ends.

    Returns:
        Ids of those removed.

    Raises:
        ConfigError: `out` is no folder.
        ReleaseError: `keep` is negative.
        VectorIndexError: A collection could not be dropped; its release is still there.
    """
    store = _store(out)
    if not store.list():
        return []  # opening an embedded index makes one
    with _at_work("prune", listen), _opened(store, index) as opened:
        return store.prune(keep, opened)


def sign_release(out: Path, release_id: str, key: Path) -> str:
    """Sign a release whose files are whole, so that whoever has the public key may serve it.

    Args:
        out: Folder that owns the releases.
        release_id: Its id, or `live`.
        key: File of a private Ed25519 key.

    Returns:
        The name of the key.

    Raises:
        ConfigError: `out` is no folder, or the file holds no such key.
        ReleaseNotFound: There is none of that id, or none is live.
        ReleaseCorrupt: A file differs from its digest; nothing is signed.
    """
    store = _store(out)
    return store.sign(store.resolve(release_id), key)


def _store(out: Path, public_key: str | Path | None = None) -> ReleaseStore:
    if not out.is_dir():
        raise ConfigError(f"No folder {out}.", "Give the --out of `colisten run`.")
    return ReleaseStore(out, public_key=public_key)


def _opened(store: ReleaseStore, index: IndexSettings | None) -> VectorIndex:
    return open_index(store.root, resolve_index(index or IndexSettings(), store.index_settings()))


@contextmanager
def _opened_if_there(
    store: ReleaseStore, index: IndexSettings | None, listen: Listener
) -> Iterator[VectorIndex | None]:
    """The index; None where it is out of reach, or where nothing was ever published to it."""
    opened: VectorIndex | None = None
    if store.list():
        try:
            opened = _opened(store, index)
        except VectorIndexError as error:
            listen(StepEvent("", "notice", text=f"Without the index: {error}"))
    with opened or nullcontext():
        yield opened


@contextmanager
def _at_work(name: str, listen: Listener) -> Iterator[None]:
    """Tell the listener when the work begins and how it ends."""
    listen(StepEvent(name, "started"))
    began = time.monotonic()
    try:
        yield
    except Exception:
        listen(StepEvent(name, "failed", time.monotonic() - began))
        raise
    listen(StepEvent(name, "done", time.monotonic() - began))
