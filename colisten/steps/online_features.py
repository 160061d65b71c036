"""The online rows of a release, brought up to date before it is live.

Releases whose features are defined alike share them: rows say what users did, whichever release
reads them. So a fill never takes back what is known, and a killed one leaves the rows of before or
the new ones, which both answer rightly for both releases.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from colisten.data.moments import parse_moment
from colisten.errors import FeatureError, ReleaseError
from colisten.features.names import CONFIG_FILE, shared_online_file
from colisten.files import write_aside
from colisten.logs import logger
from colisten.release.feature_files import features_of, note_features, sweep_features
from colisten.release.journal import JOURNAL, Journal
from colisten.release.manifest import Manifest
from colisten.release.store import ReleaseStore
from colisten.settings.sections import FeatureSettings

if TYPE_CHECKING:
    from colisten.features.repository import RepositoryFiles

FILLED = "filled"
"""The journal's line that says up to which cut a key space knows the tables."""
log = logger("steps.online_features")


def with_shared_rows(folder: Path, features: FeatureSettings) -> RepositoryFiles:
    """A repository's files as an output folder has them: online rows beside the generations.

    Args:
        folder: Of a repository, wherever it was built.
        features: Where online rows are kept.

    Raises:
        FeatureError: There is no repository, or one of an older version.
    """
    from colisten.feature_repo.stores import config_bytes
    from colisten.features.repository import RepositoryFiles, definitions_digest

    definitions = definitions_digest(folder)
    online = f"../{shared_online_file(definitions)}"
    config = config_bytes(features, definitions, online=online)
    return replace(RepositoryFiles.read(folder), config=config)


def fill_online(
    home: Path,
    release: Manifest,
    *,
    features: FeatureSettings | None = None,
    keep_days: int | None = None,
    again: bool = False,
) -> None:
    """Let the online store know what a release's repository knows, and what came since.

    The caller holds the writers' turn of the releases.

    Args:
        home: Output folder.
        release: Whose repository.
        features: Where rows are to be kept from now on, and then they are filled whatever the
            journal says; None fills what lacks the release's cut, where they are kept.
        keep_days: See `materialize`; None where `features` says it.
        again: Fill it whatever the journal says: the store lost its rows.

    Raises:
        FeatureError: The repository is not there, or the online store is out of reach.
    """
    from colisten.feature_repo.carry_across import carry_across, other_space
    from colisten.feature_repo.repo import materialize
    from colisten.features.repository import RepositoryFiles, online_file

    if release.features is None:  # of a version that filled them as it built them
        return
    sweep_features(home)
    folder, before = features_of(home, release), _live_files(home)
    files = RepositoryFiles.read(folder)
    if features is not None:
        files = with_shared_rows(folder, features)
        keep_days = features.online_keep_days
    store, as_of = files.open(), parse_moment(release.as_of, "as_of")
    file, space = online_file(store), [store.config.online_store.type, store.project]
    journal = Journal(home / "releases" / JOURNAL)
    filled = None if file is not None and not file.exists() else _filled(journal, space)
    if again or features is not None or filled is None or filled < as_of:
        materialize(files, as_of=as_of, keep_days=keep_days, before=before)
        journal.append(FILLED, release.release_id, space=space, as_of=release.as_of)
    elif (other := other_space(before, store)) is not None:
        carry_across(other, store, filled)
    if RepositoryFiles.read(folder).config != files.config:
        note_features(home, release, files)
        with write_aside(folder / CONFIG_FILE) as aside:
            aside.write_bytes(files.config)


def fill_again(home: Path, release: Manifest) -> None:
    """What a rollback takes along; where the online store is out of reach it goes without."""
    try:
        fill_online(home, release)
    except FeatureError as error:
        log.warning("online rows not brought up to date", reason=str(error))


def _filled(journal: Journal, space: list[str]) -> datetime | None:
    """Up to which cut a key space was filled last; None where nobody filled it."""
    for entry in reversed(journal.entries()):
        if entry["event"] == FILLED and entry.get("space") == space:
            return parse_moment(str(entry["as_of"]), "as_of")
    return None


def _live_files(home: Path) -> RepositoryFiles | None:
    """The repository that is served now; None where none is, or nobody can say which."""
    from colisten.features.repository import RepositoryFiles

    try:
        live = ReleaseStore(home).live_manifest()
        if live is None:
            return None
        folder = features_of(home, live)
        if not (folder / CONFIG_FILE).exists():
            folder = folder.parent  # a version of before kept it there
        return RepositoryFiles.read(folder)
    except (ReleaseError, FeatureError) as error:
        log.warning("nothing carried from what is live", reason=str(error))
        return None
