"""A service answers from what was promoted, and where a key is set from what that key signed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from colisten.errors import ReleaseUnsigned
from colisten.index import ExactIndex
from colisten.release.journal import JOURNAL
from colisten.release.pointer import POINTER, Pointer
from colisten.release.store import ReleaseStore
from colisten.serving.environment import Environment
from colisten.serving.launch import check_home
from colisten.serving.runtime import Runtime
from colisten.settings.tree import Settings, load_settings
from tests.key_pairs import pair


def settings(*more: str) -> Settings:
    quick = ("index.backend=exact", "serving.follow_seconds=0.05", "serving.inspect_seconds=0.05")
    return load_settings(None, (*quick, *more))


@contextmanager
def opened(home: Path, *more: str) -> Iterator[Runtime]:
    runtime = Runtime.open(Environment(home, settings(*more)))
    try:
        yield runtime
    finally:
        runtime.close()


def soon(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@pytest.fixture
def store(
    published: tuple[ReleaseStore, ExactIndex, list[str]], tmp_path: Path
) -> tuple[ReleaseStore, list[str]]:
    """A copy with the first of two releases live."""
    of_others, _, ids = published
    own = ReleaseStore(Path(shutil.copytree(of_others.root, tmp_path / "out")))
    # Whatever the others' tests made live, here nothing was.
    journal = own.releases / JOURNAL
    lines = [line for line in journal.read_text().splitlines() if '"published"' in line]
    journal.write_text("".join(f"{line}\n" for line in lines))
    (own.releases / POINTER).unlink()
    own.promote(ids[0], ExactIndex(own.root / "index" / "exact"))
    return own, ids


def refusal(runtime: Runtime) -> str:
    part = runtime.info().parts["release"]
    return "" if part.ok else f"{part.reason}: {part.why}"


def test_a_rewritten_pointer_is_not_followed(store: tuple[ReleaseStore, list[str]]) -> None:
    releases, (one, two) = store
    journal = (releases.releases / JOURNAL).read_bytes()
    with opened(releases.root) as runtime:
        Pointer(two, one).write(releases.releases)
        assert soon(lambda: "no line of journal.jsonl" in refusal(runtime))
        assert refusal(runtime).startswith("release_refused")
        assert f"{one} is served" in refusal(runtime)
        assert runtime.info().release_id == one
    with opened(releases.root) as runtime:
        assert runtime.info().release_id == one, "and neither by a service that starts on it"
    assert (releases.releases / JOURNAL).read_bytes() == journal


def test_what_is_unsigned_is_not_taken_up(
    store: tuple[ReleaseStore, list[str]], tmp_path: Path
) -> None:
    releases, (one, two) = store
    private, public = pair(tmp_path, "ours")
    keyed = f"release.public_key='{public}'"
    index = ExactIndex(releases.root / "index" / "exact")
    releases.sign(one, private)
    with opened(releases.root, keyed) as runtime:
        assert runtime.info().release_id == one
        releases.promote(two, index)  # by somebody without the key
        assert soon(lambda: f"{two} is not signed" in refusal(runtime))
        assert runtime.info().release_id == one
        releases.promote(one, index)
        assert soon(lambda: refusal(runtime) == "")
        releases.sign(two, private)
        releases.promote(two, index)
        assert soon(lambda: runtime.info().release_id == two)


def test_nothing_signed_is_nothing_to_serve(
    store: tuple[ReleaseStore, list[str]], tmp_path: Path
) -> None:
    releases, (one, _) = store
    _, public = pair(tmp_path, "ours")
    (releases.root / "features").mkdir(exist_ok=True)
    (releases.root / "features" / "feature_store.yaml").write_text("project: colisten")
    with pytest.raises(ReleaseUnsigned, match=one):
        check_home(Environment(releases.root, settings(f"release.public_key='{public}'")))
