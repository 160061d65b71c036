"""What is served stays as it was checked, whatever happens to the files it came from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import FileError, ReleaseCorrupt, ReleaseError
from colisten.files import folder_digests
from colisten.index import ExactIndex
from colisten.release.lineage import lineage, servable
from colisten.release.loaded import LoadedRelease
from colisten.release.manifest import Manifest
from colisten.release.pointer import POINTER
from colisten.release.private_copy import PrivateCopies, SourceFiles
from colisten.release.store import ReleaseStore
from tests.conftest import CUT
from tests.release.payloads import make_parts


@pytest.fixture
def source(tiny_history: Path, tmp_path: Path) -> Path:
    """A published release's folder."""
    store = ReleaseStore(tmp_path / "out")
    parts = make_parts(tmp_path / "parts", tiny_history, CUT)
    return store.folder(store.publish(parts.payload(tmp_path / "payload"), ExactIndex()))


def overwrite(file: Path, at: int = -4, what: bytes = b"\0\0\x80\x3f") -> None:
    """In place: the same inode and size."""
    inode = file.stat().st_ino
    with file.open("r+b") as stream:
        stream.seek(at, os.SEEK_END)
        stream.write(what)
    assert file.stat().st_ino == inode


def test_a_copy_answers_the_same_whatever_befalls_the_files(source: Path, tmp_path: Path) -> None:
    copy = PrivateCopies(tmp_path / "copies").take(source)
    release = LoadedRelease.load(copy.folder)
    queries = np.array(release.item_vectors[:3])
    ids, scores = release.exact(queries, 5)
    assert copy.source.fault() is None
    for file in (source / "item_vectors.npy", source / "history_vectors.npy"):
        overwrite(file)
        file.write_bytes(b"")  # truncated: a mapping of it would kill the process
    assert release.exact(queries, 5)[0] == ids
    np.testing.assert_array_equal(release.exact(queries, 5)[1], scores)
    fault = copy.source.fault()
    assert fault is not None
    assert "differs from its digest" in fault
    assert str(source) in fault
    copy.close()


def test_the_files_are_judged_by_content_and_once(source: Path, tmp_path: Path) -> None:
    copy = PrivateCopies(tmp_path / "copies").take(source)
    file = source / "items.parquet"
    os.utime(file)  # touched, restored from a backup: the same bytes
    assert copy.source.fault() is None
    kept = file.read_bytes()
    overwrite(file, -1, bytes([kept[-1] ^ 1]))
    assert "items.parquet differs" in (copy.source.fault() or "")
    file.write_bytes(kept)
    assert copy.source.fault() is None
    status = file.stat()
    overwrite(file, -1, bytes([kept[-1] ^ 1]))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))  # as rsync does
    assert "items.parquet differs" in (copy.source.fault() or "")
    file.unlink()
    assert "items.parquet is missing" in (copy.source.fault() or "")
    (source / "manifest.json").write_text("{}")
    assert "manifest.json cannot be read" in (copy.source.fault() or "")


def test_a_file_that_is_already_damaged_is_not_copied(source: Path, tmp_path: Path) -> None:
    copies = PrivateCopies(tmp_path / "copies")
    overwrite(source / "item_vectors.npy")
    with pytest.raises(ReleaseCorrupt, match=r"out/releases/.*item_vectors\.npy differs"):
        copies.take(source)
    assert not list((tmp_path / "copies").glob("*/*"))
    (source / "stray").write_text("?")
    with pytest.raises(ReleaseCorrupt, match="stray"):
        copies.take(source)


def test_workers_share_a_copy_that_ends_with_the_last(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    first = PrivateCopies(folder).take(source)
    inode = (first.folder / "item_vectors.npy").stat().st_ino
    overwrite(source / "item_vectors.npy")
    # A worker that comes later finds the release whole, and that its source is not.
    second = PrivateCopies(folder).take(source)
    assert (second.folder / "item_vectors.npy").stat().st_ino == inode
    assert second.source.fault() is not None
    mapped = LoadedRelease.load(second.folder).item_vectors
    first.close()
    assert second.folder.is_dir()
    second.close()
    assert not second.folder.exists()
    assert np.isfinite(mapped).all()


def test_a_damaged_copy_is_made_again(source: Path, tmp_path: Path) -> None:
    copies = PrivateCopies(tmp_path / "copies")
    first = copies.take(source)
    file = first.folder / "item_vectors.npy"
    file.chmod(0o600)
    overwrite(file)
    second = copies.take(source)
    Manifest.read(second.folder).check_files(second.folder)


@pytest.mark.slow
def test_a_killed_process_leaves_no_copy_for_good(source: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from colisten.release.private_copy import PrivateCopies\n"
        "held = PrivateCopies(Path(sys.argv[2])).take(Path(sys.argv[1]))\n"
        "print(held.folder, file=sys.stderr, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "copies")]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    folder = Path(process.stderr.readline().strip())
    PrivateCopies(tmp_path / "copies")
    assert folder.is_dir()  # it is held
    process.send_signal(signal.SIGKILL)
    process.wait()
    PrivateCopies(tmp_path / "copies")
    end = time.monotonic() + 5
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not folder.exists()


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path / "open")
    for name in ("open", "link"):
        with pytest.raises(FileError, match="this user alone"):
            PrivateCopies(tmp_path / name)


def test_taking_a_copy_changes_nothing_at_its_source(source: Path, tmp_path: Path) -> None:
    before = folder_digests(source)
    PrivateCopies(tmp_path / "copies").take(source).close()
    assert folder_digests(source) == before
    assert SourceFiles(source, Manifest.read(source)).fault() is None


Entry = dict[str, str | None]


def test_a_release_that_is_served_is_not_pruned(tiny_history: Path, tmp_path: Path) -> None:
    store, index = ReleaseStore(tmp_path / "out"), ExactIndex()
    ids = []
    for seed in range(4):
        parts = make_parts(tmp_path / str(seed), tiny_history, CUT, seed=seed)
        ids.append(store.publish(parts.payload(tmp_path / f"payload-{seed}"), index))
    store.promote(ids[0], index)
    copies = PrivateCopies(tmp_path / "copies")
    held = [copies.take(store.folder(ids[1])) for _ in range(2)]
    for copy in held:
        with pytest.raises(ReleaseError, match=f"serves release {ids[1]}"):
            store.prune(0, index)
        assert {one.release_id for one in store.list()} == set(ids)
        copy.close()
    assert set(store.prune(0, index)) == set(ids[1:])


def promoted(name: str, previous: str | None) -> Entry:
    return {"event": "promoted", "release_id": name, "previous": previous}


def test_the_lineage_is_what_was_live_and_was_not_left_on_purpose() -> None:
    entries: list[Entry] = [
        {"event": "published", "release_id": "candidate"},
        promoted("a", None),
        promoted("b", "a"),
        promoted("c", "b"),
    ]
    assert lineage(entries) == ["c", "b", "a"]
    back: Entry = {"event": "rolled_back", "release_id": "b", "previous": "c"}
    assert lineage([*entries, back]) == ["b", "a"]
    again: Entry = {"event": "rolled_back", "release_id": "c", "previous": "b"}
    assert lineage([*entries, back, again]) == ["c", "a"]
    assert lineage([*entries, back, promoted("c", "b")]) == ["c", "b", "a"]
    pruned: Entry = {"event": "pruned", "release_id": "a"}
    assert lineage([*entries, pruned]) == ["c", "b"]


def test_a_pointer_that_cannot_be_read_leaves_the_journal(
    tiny_history: Path, tmp_path: Path
) -> None:
    store, index = ReleaseStore(tmp_path / "out"), ExactIndex()
    assert servable(store.releases) == []
    ids = []
    for seed in (0, 1):
        parts = make_parts(tmp_path / str(seed), tiny_history, CUT, seed=seed)
        ids.append(store.publish(parts.payload(tmp_path / f"payload-{seed}"), index))
        store.promote(ids[-1], index)
    assert servable(store.releases) == ids[::-1]
    store.rollback(index)
    assert servable(store.releases) == ids[:1]
    (store.releases / POINTER).write_text("{half")
    assert servable(store.releases) == ids[:1]
    (store.releases / POINTER).unlink()
    assert servable(store.releases) == []
