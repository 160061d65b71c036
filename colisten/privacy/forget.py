"""Forgetting one person in a run's folder."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from colisten.data.ids import id_fault
from colisten.errors import ColistenError, ConfigError, FileError, PipelineError
from colisten.files import located, sweep_abandoned
from colisten.index.opening import open_index
from colisten.index.protocol import VectorIndex
from colisten.index.resolve import resolve_index
from colisten.json_files import to_json
from colisten.pages import escape
from colisten.privacy.online import online_places
from colisten.privacy.places import Finished, ParquetTable, Place, RowLog, tables_in
from colisten.privacy.releases import SeenInRelease
from colisten.progress import track
from colisten.release.golden_set import holds_people
from colisten.release.private_copy import PrivateCopies
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from colisten.settings.release import ReleaseSettings

STEPS, PIPELINE, RELEASES = "steps", "pipeline", "releases"
CHECKPOINTS = Path("cache") / "checkpoints"
_DAMAGED = "Remove it, or put it back whole, and forget again."
_RUNNER = ("runs", "cache", "workspace")  # what Kubeflow's local runner leaves in PIPELINE
_TEXTS = frozenset((".html", ".json", ".jsonl", ".csv", ".tsv", ".txt", ".md", ".log", ".yaml"))


@dataclass(frozen=True)
class Found:
    """A place that held a person.

    Attributes:
        place: Where, relative to the folder; absolute outside of it.
        rows: How many rows, cells or titles of theirs.
        done: What became of them; of a dry run, what would.
    """

    place: str
    rows: int
    done: str


@dataclass(frozen=True)
class Forgotten:
    """What was done, and what is left to others.

    Attributes:
        dry_run: Whether nothing was changed.
        found: Places that held the person.
        named: Files that name the person and are not ours to change: tables that the next run
            would read them from, and texts in which their id may be another word.
        remains: What stays until when, in sentences.
    """

    dry_run: bool
    found: tuple[Found, ...]
    named: tuple[Found, ...]
    remains: tuple[str, ...]


@dataclass
class _Search:
    """Places of a home, and files that nobody can read."""

    places: list[Place] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    def tables(self, folder: Path, but: Sequence[Path] = ()) -> list[ParquetTable | RowLog]:
        return list(tables_in(folder, but, self.unreadable))


def forget(
    out: Path,
    user_id: str,
    *,
    tables: Sequence[Path] = (),
    dry_run: bool = False,
    index: IndexSettings | None = None,
    keys: ReleaseSettings | None = None,
) -> Forgotten:
    """Remove one person from everything below a run's folder; see docs/privacy.md.

    Each file is left as it was or without them, whole. Ended, the same call goes on; done, it finds
    nothing. Where a place is out of reach, the others are done before that is raised.

    Args:
        out: The `--out` of a run, wherever it lies now.
        user_id: Whose rows.
        tables: Folders of tables that the person may be in; they are looked through, not changed.
        dry_run: Say what would be done, and do nothing.
        index: Where vectors of releases are searched, as far as somebody set it.
        keys: By what key releases are signed: what takes a signed one's place has to be.

    Raises:
        ConfigError: A folder is none, or that is no id.
        PipelineError: A run is at work there.
        FeatureError: The online store is out of reach.
        ReleaseError: A release cannot be read, or a process goes on serving one of before.
        VectorIndexError: The index is out of reach.
        FileError: A file cannot be read or written.
    """
    for folder in (out, *tables):
        if not folder.is_dir():
            raise ConfigError(f"No folder {folder}.", "Give the --out of `colisten run`.")
    if fault := id_fault(user_id):
        raise ConfigError(f"The user's id {fault}.", "Give it as tables have it.")
    home = located(out)
    with _nobody_at_work(home):
        if not dry_run:
            sweep_abandoned(home)
        search = _places(home, index, keys or ReleaseSettings())
        found: list[Found] = []
        faults: list[ColistenError] = []
        for place in track(search.places, "Dry run" if dry_run else "Forgetting"):
            try:
                rows = place.count(user_id) if dry_run else place.remove(user_id)
            except ColistenError as error:
                faults.append(error)  # one place that is out of reach keeps no other
                continue
            except (OSError, pa.ArrowException) as error:
                where = f"Cannot read or write {place.path}: {error}."
                faults.append(FileError(where, _DAMAGED))
                continue
            if rows:
                found.append(Found(_shown(place.path, home), rows, place.done))
        if faults:
            raise faults[0]
        if not dry_run:
            PrivateCopies.sweep_of_user()
        return Forgotten(
            dry_run,
            tuple(found),
            tuple(_named(home, user_id, tables)),
            tuple(_remains(home, search.unreadable, looked=bool(tables))),
        )


@contextmanager
def _nobody_at_work(home: Path) -> Iterator[None]:
    """Hold what runs hold, where any was made: one that is at work would write them anew."""
    with ExitStack() as held:
        for folder in (home / STEPS, home / PIPELINE):
            if not (folder / ".lock").exists():
                continue  # nobody ever ran there
            lock = held.enter_context((folder / ".lock").open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PipelineError(
                    f"A run is working in {folder}.", "Forget when it is done."
                ) from error
        yield


def _places(home: Path, index: IndexSettings | None, keys: ReleaseSettings) -> _Search:
    """Everything of ours that may hold a person: first what answers them, last what is remade."""
    search = _Search()
    search.places += online_places(home)
    elsewhere = [home / name for name in (STEPS, PIPELINE, RELEASES)]
    search.places += search.tables(home, elsewhere)
    store = ReleaseStore(home, public_key=keys.public_key)
    signing_key = None if keys.signing_key is None else Path(keys.signing_key)

    def opened() -> VectorIndex:
        return open_index(home, resolve_index(index or IndexSettings(), store.index_settings()))

    for state in store.list():
        folder = store.releases / state.release_id
        search.places.append(SeenInRelease(folder, store, opened, signing_key))
    finished = _folders(home / STEPS)
    finished += [path for name in _RUNNER for path in _folders(home / PIPELINE / name)]
    if finished:
        finished += _folders(home / CHECKPOINTS)
        held = {path: tuple(search.tables(path)) for path in finished}
        search.places.append(Finished(home / STEPS, held))
    return search


def _folders(place: Path) -> list[Path]:
    """What lies in a folder, apart from the lock of who works there."""
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.name != ".lock")


def _named(home: Path, user_id: str, tables: Sequence[Path]) -> Iterator[Found]:
    """Files that name the person and are not ours to change."""
    for folder in tables:
        for table in tables_in(folder, (), []):
            if rows := table.count(user_id):
                yield Found(str(table.path), rows, "tables that you bring: remove the rows there")
    word = _as_a_word(user_id)
    for folder in (home, *tables):
        for path in sorted(folder.rglob("*")):
            if path.suffix in _TEXTS and path.is_file():
                lines = _lines_with(path, word)
                if lines:
                    yield Found(_shown(path, home), lines, "may name the person: look at it")


def _as_a_word(user_id: str) -> re.Pattern[bytes]:
    """An id as a text has it: plain, in JSON or in HTML, and not within a longer word."""
    spelled = {user_id, escape(user_id), to_json(user_id)[1:-1]}
    spelled.add(to_json(user_id)[1:-1].encode("ascii", "backslashreplace").decode())
    either = b"|".join(sorted(re.escape(one.encode()) for one in spelled))
    return re.compile(rb"(?<![\w\\])(?:" + either + rb")(?!\w)")


def _lines_with(path: Path, word: re.Pattern[bytes]) -> int:
    with path.open("rb") as lines:
        return sum(word.search(line) is not None for line in lines)


def _remains(home: Path, unreadable: Sequence[Path], *, looked: bool) -> Iterator[str]:
    store = ReleaseStore(home)
    states = store.list()
    if states:
        yield (
            "Vectors, edges and popular lists of releases were learned from many people, this one "
            "among them, until a run without them makes the next release and `colisten release "
            "prune` removes the others."
        )
    people = [
        state.release_id for state in states if holds_people(store.releases / state.release_id)
    ]
    if people:
        yield (
            f"Golden sets of an older version hold histories of real users, without ids: "
            f"{', '.join(people)}. Run, then prune them."
        )
    yield "A running service keeps what it read last in its memory: start it again."
    if not looked:
        yield (
            "Tables that you bring were not looked at: remove the person there before the next "
            "run, which reads them anew. --tables DIR says which name them."
        )
    yield "Backups, shelves written elsewhere and whoever reads your logs are not ours to know."
    for path in unreadable:
        yield f"{_shown(path, home)} cannot be read; remove it if it is not yours to keep."


def _shown(path: Path, home: Path) -> str:
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else str(path)
