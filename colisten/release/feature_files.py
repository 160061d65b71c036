"""Which feature repository belongs to a release: a folder a generation, named by its content.

    home/features/<generation>/   feature_store.yaml, registry.db, sources/
    home/features/online_<definitions>.db   SQLite's rows, shared by generations of one definition

A generation is what a release's manifest binds: the digest over the sources, and the definitions
among them. So promoting and rolling back move the features with the pointer. A registry holds
moments of its making and cannot be bound by content; the journal notes its digest, and that of the
configuration, before either is written.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.errors import FeatureError, ReleaseCorrupt, ReleaseError
from colisten.features.names import (
    CONFIG_FILE,
    DEFINITIONS_FILE,
    REGISTRY_FILE,
    SOURCES,
    shared_online_file,
)
from colisten.files import file_digest, sweep_partials, write_aside
from colisten.logs import logger
from colisten.release.journal import JOURNAL, Journal
from colisten.release.manifest import MANIFEST, Manifest
from colisten.release.writing import writers_turn

if TYPE_CHECKING:
    from colisten.features.repository import RepositoryFiles

FEATURES = "features"
"""Folder of feature repositories, and the journal's line that says what is in one."""

log = logger("release")

_DIGITS = 16
_AGAIN = "Run `colisten run` again."

Fill = Callable[[Manifest], None]
"""Brings the online rows of a release's features up to date, before it is live."""


def features_of(home: Path, release: Manifest) -> Path:
    """Folder of a release's feature repository; it need not be there.

    A release that does not say what it was trained on is of a version whose homes had one
    repository, at home/features.

    Args:
        home: Output folder.
        release: Whose.
    """
    folder, generation = home / FEATURES, _generation(release)
    return folder if generation is None else folder / generation


def repositories(home: Path) -> list[Path]:
    """Every feature repository of an output folder, of whatever generation."""
    folder = home / FEATURES
    found = [folder, *(path for path in folder.glob("[!.]*") if path.is_dir())]
    return sorted(path for path in found if (path / CONFIG_FILE).is_file())


def meant_release(home: Path) -> Manifest | None:
    """The live release; where none is live the one published last; None where there is none.

    Raises:
        ReleaseError: The pointer, or what it names, cannot be read.
    """
    from colisten.release.store import ReleaseStore

    store = ReleaseStore(home)
    if (live := store.live_manifest()) is not None:
        return live
    states = store.list()
    return store.show(states[0].release_id) if states else None


def repository_of(home: Path, release: Manifest | None) -> Path:
    """As `features_of`; where there is no release, the folder of all of them."""
    return home / FEATURES if release is None else features_of(home, release)


def check_features(home: Path, release: Manifest) -> None:
    """Refuse a release whose feature repository is not there, or is not the one noted for it.

    Raises:
        ReleaseError: It is missing or another one.
    """
    from colisten.features.repository import RepositoryFiles

    if release.features is None:
        return
    try:
        RepositoryFiles.read(features_of(home, release)).check(bound_features(home, release))
    except FeatureError as error:
        raise ReleaseError(
            f"Release {release.release_id} is without its features: {error.what}",
            error.do or _AGAIN,
        ) from error


def place_features(home: Path, files: RepositoryFiles, release: Manifest) -> None:
    """Copy the repository that a release was trained on to where the release looks for it.

    What lies there whole stays. The caller holds the writers' turn.

    Args:
        home: Output folder.
        files: Registry and sources of it, and the configuration that it is to have.
        release: Which was trained on it.

    Raises:
        ReleaseError: Its sources are not those that the release was trained on.
    """
    from colisten.features.repository import source_digest

    if source_digest(files.folder) != release.features:
        raise ReleaseError(
            f"{files.folder / SOURCES} holds other sources than release {release.release_id} was "
            "trained on.",
            _AGAIN,
        )
    sweep_features(home)
    folder = features_of(home, release)
    if not folder.exists():
        note_features(home, release, files)
        with write_aside(folder) as aside:
            _complete(aside, files)
    elif not _is_whole(folder, release):
        note_features(home, release, files)
        _complete(folder, files)  # a file at a time: it may be in use
    elif bound_features(home, release) is None:
        note_features(home, release, RepositoryFiles.read(folder))


def sweep_features(home: Path) -> None:
    """Remove what killed writers left; the caller holds the writers' turn."""
    for folder in {home / FEATURES, *repositories(home)}:
        for place in (folder, folder / SOURCES):
            sweep_partials(place)


def note_features(home: Path, release: Manifest, files: RepositoryFiles) -> None:
    """Note configuration and registry that a release's repository may have from now on.

    The caller holds the writers' turn.
    """
    from colisten.features.repository import source_digest

    digests = {**files.digests, SOURCES: release.features or source_digest(files.folder)}
    Journal(home / "releases" / JOURNAL).append(
        FEATURES, release.release_id, digests=digests, generation=_generation(release)
    )


def bind_features(home: Path, release: Manifest) -> None:
    """Note the repository that lies where a release looks for it.

    Raises:
        FeatureError: There is none.
    """
    from colisten.features.repository import RepositoryFiles

    files = RepositoryFiles.read(features_of(home, release))
    with writers_turn(home / "releases"):
        note_features(home, release, files)


def bound_features(home: Path, release: Manifest) -> dict[str, frozenset[str]] | None:
    """Digests that files of a release's repository may have; None where nobody noted any.

    They are several where its configuration was written anew: a process that was killed in
    between leaves the one or the other.
    """
    generation, found = _generation(release), dict[str, set[str]]()
    for entry in Journal(home / "releases" / JOURNAL).entries():
        digests = entry.get("digests")
        mine = entry["event"] == FEATURES and entry.get("generation") == generation
        if mine and isinstance(digests, dict):
            for name, digest in digests.items():
                found.setdefault(str(name), set()).add(str(digest))
    return {name: frozenset(digests) for name, digests in found.items()} or None


def remove_unused(home: Path) -> None:
    """Remove generations of no release, and SQLite's rows that no generation left can read.

    Where a release cannot be read, nobody knows what it uses, and all stay. The caller holds the
    writers' turn.
    """
    from colisten.features.repository import definitions_digest

    folder = home / FEATURES
    manifests = (home / "releases").glob(f"[!.]*/{MANIFEST}")
    try:
        used = {features_of(home, Manifest.read(file.parent)) for file in manifests}
    except ReleaseCorrupt as error:
        log.warning("no features removed", reason=str(error))
        return
    for path in repositories(home):
        if path not in used and path != folder:
            aside = folder / f".{path.name}.pruned.partial"
            os.replace(path, aside)
            shutil.rmtree(aside)
    kept = {
        shared_online_file(definitions_digest(path))
        for path in repositories(home)
        if (path / SOURCES / DEFINITIONS_FILE).is_file()
    }
    for file in folder.glob("online_*.db"):
        if file.name not in kept:
            file.unlink()


def _generation(release: Manifest) -> str | None:
    return None if release.features is None else release.features[:_DIGITS]


def _is_whole(folder: Path, release: Manifest) -> bool:
    from colisten.features.repository import RepositoryFiles, source_digest

    try:
        RepositoryFiles.read(folder).open()
        return source_digest(folder) == release.features
    except (FeatureError, OSError):
        return False


def _complete(folder: Path, files: RepositoryFiles) -> None:
    """Write what a repository lacks or has otherwise, each file whole; the rest goes."""
    sources = files.folder / SOURCES
    wanted = sorted(path for path in sources.rglob("*") if path.is_file())
    for path in wanted:
        place = folder / SOURCES / path.relative_to(sources)
        if not place.is_file() or file_digest(place) != file_digest(path):
            with write_aside(place) as aside:
                shutil.copyfile(path, aside)
    named = {path.relative_to(sources) for path in wanted}
    for path in list((folder / SOURCES).rglob("*")):
        if path.is_file() and path.relative_to(folder / SOURCES) not in named:
            path.unlink()
    for name, content in ((REGISTRY_FILE, files.registry), (CONFIG_FILE, files.config)):
        with write_aside(folder / name) as aside:
            aside.write_bytes(content)
