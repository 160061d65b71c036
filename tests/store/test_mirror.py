"""One store, many folders: what is pushed is fetched whole, once, and by digest."""

from __future__ import annotations

import fcntl
import re
from pathlib import Path

import pytest

from colisten.components.home import at_home
from colisten.errors import (
    ConfigError,
    ReleaseCorrupt,
    ReleaseError,
    ReleaseNotFound,
    StoreChanged,
    StoreError,
    StoreUnreachable,
)
from colisten.files import folder_digests
from colisten.release.store import ReleaseStore
from colisten.release.writing import writers_turn
from colisten.settings.index import IndexSettings
from colisten.settings.sections import FeatureSettings
from colisten.steps.registry import step_named
from colisten.steps.use_cases import release as use_case
from colisten.steps.use_cases.store import fetch_home, home_at, prune_at, push_home
from colisten.store.address import StoreAddress, store_of
from colisten.store.bucket import Bucket
from colisten.store.lines import line_name
from colisten.store.places import worked_on
from colisten.store.pushing import push
from colisten.store.safe_names import inside
from tests.store.conftest import Origin, mirror_of

EXACT = IndexSettings(backend="exact")


@pytest.mark.parametrize(
    ("text", "bucket", "prefix"),
    [("s3://bucket", "bucket", ""), ("s3://bucket/a/b-c/", "bucket", "a/b-c")],
)
def test_an_address(text: str, bucket: str, prefix: str) -> None:
    assert StoreAddress.parse(text) == StoreAddress(bucket, prefix)


@pytest.mark.parametrize(
    "text",
    [
        *("s3://", "s3://B", "bucket", "s3://a..b/c", "s3://bucket//c", "s3://bucket/../c"),
        *("s3:/b/c", "s3://bucket/a b", "s3://bucket/a?b", "s3://bucket/" + "a" * 600),
        "http://bucket/a",
    ],
)
def test_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="s3://bucket/prefix"):
        StoreAddress.parse(text)


def test_an_address_tells_no_secret() -> None:
    with pytest.raises(ConfigError) as refused:
        StoreAddress.parse("s3://key:hunter2@bucket/a")
    assert "hunter2" not in str(refused.value)


def test_what_is_typed_wins() -> None:
    variables = {"COLISTEN_STORE": "s3://one/a"}
    assert store_of(None, {}) is None
    assert store_of(None, variables) == StoreAddress("one", "a")
    assert store_of("s3://two", variables) == StoreAddress("two")


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", "a/./b", "", "a\\b", "a/.."])
def test_a_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReleaseCorrupt):
        inside(tmp_path, name)
    assert inside(tmp_path, "a/b") == tmp_path / "a" / "b"


def test_pushed_and_fetched(address: StoreAddress, origin: Origin, tmp_path: Path) -> None:
    assert push_home(origin.folder, address) == 3
    assert push_home(origin.folder, address) == 0
    mirror = tmp_path / "elsewhere" / "mirror"
    assert fetch_home(mirror, address) == origin.ids[0]
    live = ReleaseStore(mirror).load_live()
    assert live.release_id == origin.ids[0]
    one = folder_digests(origin.folder / "releases" / origin.ids[0])
    assert folder_digests(mirror / "releases" / origin.ids[0]) == one
    assert not (mirror / "releases" / origin.ids[1]).exists(), "nobody asked for it"


def test_nothing_is_downloaded_twice(
    address: StoreAddress, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_home(origin.folder, address)
    fetch_home(tmp_path / "mirror", address)
    read: list[str] = []
    plain = Bucket.read

    def noted(bucket: Bucket, name: str, *, most: int) -> bytes | None:
        read.append(name)
        return plain(bucket, name, most=most)

    monkeypatch.setattr(Bucket, "read", noted)
    fetch_home(tmp_path / "mirror", address)
    assert read == []
    damaged = tmp_path / "mirror" / "releases" / origin.ids[0] / "item_vectors.npy"
    assert damaged.is_file()
    damaged.write_bytes(b"x")
    fetch_home(tmp_path / "mirror", address)
    assert [name for name in read if not name.endswith(".json")] == [
        f"releases/{origin.ids[0]}/item_vectors.npy"
    ]


def test_promote_and_roll_back(address: StoreAddress, origin: Origin, tmp_path: Path) -> None:
    one, two = origin.ids
    push_home(origin.folder, address)
    with home_at(address, [two], searched=EXACT) as home:
        use_case.promote_release(home, two, index=EXACT)
    assert fetch_home(tmp_path / "mirror", address) == two
    assert (tmp_path / "mirror" / "releases" / one).is_dir(), "the one before"
    with home_at(address) as home:
        assert use_case.roll_back(home, index=EXACT).live == one
    assert fetch_home(tmp_path / "mirror", address) == one
    with home_at(address, manifests=True) as home:
        states = {state.release_id: state.state for state in use_case.list_releases(home)}
    assert states == {one: "live", two: "previous"}


def test_the_second_writer_is_told(address: StoreAddress, origin: Origin, tmp_path: Path) -> None:
    one, two = origin.ids
    push_home(origin.folder, address)
    slow = mirror_of(address, tmp_path / "slow")
    with slow.turn():
        slow.fetch([two])
    with home_at(address, [two], searched=EXACT) as home:
        use_case.promote_release(home, two, index=EXACT)
    ReleaseStore(slow.home)._journal.append("promoted", two, previous=one)
    with pytest.raises(StoreChanged, match=two), slow.turn():
        push(slow)
    with slow.turn():
        pointer = slow.fetch()
    assert pointer is not None
    assert (pointer.release_id, pointer.previous) == (two, one)
    assert len(slow.lines()) == 4


def test_a_failed_command_pushes_nothing(address: StoreAddress, origin: Origin) -> None:
    push_home(origin.folder, address)

    def promoted_and_failed() -> None:
        with home_at(address, [origin.ids[1]], searched=EXACT) as home:
            use_case.promote_release(home, origin.ids[1], index=EXACT)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        promoted_and_failed()
    with worked_on(address) as mirror:
        assert ReleaseStore(mirror.home).live() == origin.ids[0]


def test_pruned(address: StoreAddress, origin: Origin, tmp_path: Path) -> None:
    one, two = origin.ids
    push_home(origin.folder, address)
    mirror = mirror_of(address, tmp_path / "mirror")
    with mirror.turn():
        mirror.fetch([two])
    assert prune_at(address, 0, index=EXACT) == [two]
    assert not Bucket(address).names(f"releases/{two}/")
    assert Bucket(address).names(f"releases/{one}/")
    held = (mirror.releases / two / "manifest.json").open("rb")
    fcntl.flock(held, fcntl.LOCK_SH)  # as a service does that answers from it
    with mirror.turn():
        mirror.fetch()
    assert (mirror.releases / two).is_dir()
    held.close()
    with mirror.turn():
        mirror.fetch()
    assert not (mirror.releases / two).exists()
    with pytest.raises(ReleaseNotFound), home_at(address, [two]):
        pass


def test_a_changed_object_is_not_served(
    address: StoreAddress, origin: Origin, tmp_path: Path
) -> None:
    push_home(origin.folder, address)
    bucket, name = Bucket(address), f"releases/{origin.ids[0]}/item_vectors.npy"
    file = origin.folder / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    (tmp_path / "changed").write_bytes(content)
    bucket.store(name, tmp_path / "changed")
    with pytest.raises(ReleaseCorrupt):
        fetch_home(tmp_path / "mirror", address)
    assert ReleaseStore(tmp_path / "mirror").live() is None
    bucket.store(name, file)
    assert fetch_home(tmp_path / "mirror", address) == origin.ids[0]


def test_a_missing_line_is_no_journal(
    address: StoreAddress, origin: Origin, tmp_path: Path
) -> None:
    push_home(origin.folder, address)
    Bucket(address).remove(line_name(2))
    with pytest.raises(StoreError, match="restore"):
        fetch_home(tmp_path / "mirror", address)


def test_a_folder_of_its_own_is_no_mirror(
    address: StoreAddress, origin: Origin, tmp_path: Path
) -> None:
    push_home(origin.folder, address)
    with pytest.raises(ConfigError, match="of its own"):
        fetch_home(origin.folder, address)
    fetch_home(tmp_path / "mirror", address)
    with pytest.raises(ConfigError, match="follows"):
        fetch_home(tmp_path / "mirror", StoreAddress(address.bucket, "other"))


def test_a_bucket_without_conditions_is_refused(
    address: StoreAddress, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("colisten.store.bucket._honouring", set())
    plain = Bucket._at
    # As a bucket answers that knows nothing of the condition: to each probe its own object.
    probes = iter(range(9))

    def elsewhere(bucket: Bucket, name: str) -> dict[str, str]:
        return plain(bucket, f"{name}{next(probes)}" if name == "probe" else name)

    monkeypatch.setattr(Bucket, "_at", elsewhere)
    with pytest.raises(StoreError, match="If-None-Match"):
        push_home(origin.folder, address)
    monkeypatch.undo()


def test_what_nobody_else_could_serve_is_refused(address: StoreAddress, origin: Origin) -> None:
    journal = origin.folder / "releases" / "journal.jsonl"
    text = journal.read_text()
    journal.write_text(re.sub(r'"backend": ?"exact"', '"backend": "milvus", "kind": "lite"', text))
    with pytest.raises(ConfigError, match="Milvus Lite"):
        push_home(origin.folder, address)


def test_no_bucket_and_no_server(
    origin: Origin, tmp_path: Path, address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        fetch_home(tmp_path / "mirror", StoreAddress("nowhere"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(StoreUnreachable):
        fetch_home(tmp_path / "mirror", address)


def test_a_folder_that_cannot_lock_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writers_turn(tmp_path):
        pass
    # As a mount of an object store answers: granted, to whoever asks.
    monkeypatch.setattr("fcntl.flock", lambda *asked: None)
    with pytest.raises(ReleaseError, match="two writers"), writers_turn(tmp_path):
        pass


def test_a_step_works_on_a_store(address: StoreAddress, origin: Origin, tmp_path: Path) -> None:
    push_home(origin.folder, address)
    gate, inputs = step_named("gate"), {"home": str(address), "table": "t"}
    with at_home(gate, inputs, {}) as here:
        assert here["table"] == "t"
        assert ReleaseStore(here["home"]).live() == origin.ids[0]
        (here["home"] / "reports").mkdir()
        (here["home"] / "reports" / "page.html").write_text("a page")
    assert Bucket(address).read("reports/page.html", most=99) == b"a page"
    with at_home(gate, {"home": str(tmp_path)}, {}) as here:
        assert here == {"home": str(tmp_path)}


def test_a_step_that_fills_sqlite_is_refused_before_it_starts(address: StoreAddress) -> None:
    settings = {"store": FeatureSettings()}
    with (
        pytest.raises(ConfigError, match="SQLite"),
        at_home(step_named("publish"), {"home": str(address)}, settings),
    ):
        pass
