"""Only what the holder of a key signed is promoted and served; a pointer alone moves nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from colisten.errors import ConfigError, ReleaseCorrupt, ReleaseError, ReleaseUnsigned
from colisten.index import ExactIndex
from colisten.release.front import load_release
from colisten.release.lineage import servable
from colisten.release.manifest import MANIFEST, SIGNATURE, Bound, Manifest, file_entries
from colisten.release.pointer import Pointer
from colisten.release.store import ReleaseStore
from tests.key_pairs import pair
from tests.release.payloads import Parts


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return pair(tmp_path, "ours")


def rebound(store: ReleaseStore, release_id: str) -> str:
    """A copy of a release with other titles, bound by digests of its own; returns its id."""
    copy = store.releases / "copy"
    shutil.copytree(store.folder(release_id), copy)
    spoiled = copy / "spec.json"
    spoiled.write_bytes(spoiled.read_bytes() + b" ")
    whole = json.loads((copy / MANIFEST).read_text())
    bound = Bound.model_validate(
        {name: whole[name] for name in Bound.model_fields if name in whole}
    )
    manifest = Manifest.bind(bound, file_entries(copy))
    manifest.write(copy)
    copy.rename(store.releases / manifest.release_id)
    return manifest.release_id


@pytest.fixture
def live(store: ReleaseStore, index: ExactIndex, payloads: tuple[Path, Path]) -> str:
    one = store.publish(payloads[0], index)
    store.promote(one, index)
    return one


def test_ids_have_128_bits_and_those_of_before_are_read(store: ReleaseStore, live: str) -> None:
    assert len(live) == 33
    folder = store.folder(live)
    manifest = json.loads((folder / MANIFEST).read_text())
    old = live[:17]
    manifest |= {"release_id": old, "collection": f"release_{old}"}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    folder.rename(store.releases / old)
    assert store.show(old).release_id == old
    store.show(old).check_files(store.folder(old))
    for wrong in (live[:20], "r" + "0" * 32, "r" + "0" * 16, "r"):
        manifest["release_id"] = wrong
        (store.releases / old / MANIFEST).write_text(json.dumps(manifest))
        with pytest.raises(ReleaseCorrupt, match="changed after publishing"):
            Manifest.read(store.releases / old)


def test_a_pointer_that_no_line_is_behind_is_refused(store: ReleaseStore, live: str) -> None:
    planted = rebound(store, live)
    for pointer in (Pointer(planted, live), Pointer(planted), Pointer(live, planted)):
        pointer.write(store.releases)
        with pytest.raises(ReleaseCorrupt, match=r"no line of journal\.jsonl"):
            store.live()
        assert servable(store.releases) == [live]
        with pytest.raises(ReleaseError):
            store.rollback()


def test_promoting_mends_such_a_pointer(store: ReleaseStore, index: ExactIndex, live: str) -> None:
    Pointer(rebound(store, live), live).write(store.releases)
    store.promote(live, index)
    assert store.live() == live


def test_a_writer_that_was_killed_before_the_pointer_moved_left_the_old_one_live(
    store: ReleaseStore, index: ExactIndex, live: str, payloads: tuple[Path, Path]
) -> None:
    before = (store.releases / "LIVE").read_bytes()
    two = store.publish(payloads[1], index)
    store.promote(two, index)
    (store.releases / "LIVE").write_bytes(before)
    assert store.live() == live
    store.promote(two, index)
    assert store.live() == two


def test_what_is_not_signed_by_the_key_is_not_promoted(
    store: ReleaseStore,
    index: ExactIndex,
    live: str,
    payloads: tuple[Path, Path],
    keys: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    guarded = ReleaseStore(store.root, public_key=keys[1])
    two = store.publish(payloads[1], index)
    with pytest.raises(ReleaseUnsigned, match=f"{two} is not signed"):
        guarded.promote(two, index)
    guarded.sign(two, pair(tmp_path, "other")[0])
    with pytest.raises(ReleaseUnsigned, match=rf"{two} is signed by key \w+, not by"):
        guarded.promote(two, index)
    assert guarded.live() == live
    name = guarded.sign(two, keys[0])
    assert f'"key": "{name}"' in (store.folder(two) / SIGNATURE).read_text()
    guarded.promote(two, index)
    assert guarded.live() == two
    with pytest.raises(ReleaseUnsigned, match=f"{live} is not signed"):
        guarded.rollback(index)
    assert guarded.live() == two
    assert store.verify(two, index).passed, "a signature is a file that no digest covers"


def test_a_copy_that_was_bound_anew_keeps_no_signature(
    store: ReleaseStore, live: str, keys: tuple[Path, Path]
) -> None:
    store.sign(live, keys[0])
    assert load_release(store.folder(live), public_key=keys[1]).release_id == live
    assert load_release(store.root, public_key=keys[1], verify=False).release_id == live
    copy = rebound(store, live)
    folder = store.folder(copy)
    with pytest.raises(ReleaseUnsigned, match="not of its content"):
        ReleaseStore(store.root, public_key=keys[1]).check_signature(Manifest.read(folder))
    for content in ("", "{}", '{"kind": "none"}', '{"kind":"ed25519","key":"x","signature":"%"}'):
        (folder / SIGNATURE).write_text(content)
        with pytest.raises(ReleaseUnsigned, match=copy):
            ReleaseStore(store.root, public_key=keys[1]).check_signature(Manifest.read(folder))


def test_nothing_damaged_is_signed(store: ReleaseStore, live: str, keys: tuple[Path, Path]) -> None:
    file = store.folder(live) / "spec.json"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ReleaseCorrupt):
        store.sign(live, keys[0])
    assert not (store.folder(live) / SIGNATURE).exists()


def test_what_is_no_key_is_said(
    store: ReleaseStore, live: str, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "p256.key"
    other.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nothing")
    for key in (other, keys[1], nonsense, tmp_path / "absent"):
        with pytest.raises(ConfigError, match=r"(holds no|Cannot read the) private"):
            store.sign(live, key)
    store.sign(live, keys[0])
    for key in (keys[0], nonsense, tmp_path / "absent"):
        with pytest.raises(ConfigError, match=r"(holds no|Cannot read the) public"):
            ReleaseStore(store.root, public_key=key).check_signature(store.show(live))


def test_signing_changes_no_other_file(
    parts: Parts, store: ReleaseStore, live: str, keys: tuple[Path, Path]
) -> None:
    before = {file: file.read_bytes() for file in store.folder(live).rglob("*") if file.is_file()}
    store.sign(live, keys[0])
    assert {file: file.read_bytes() for file in before} == before
    store.show(live).check_files(store.folder(live))
