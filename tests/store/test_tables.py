"""Tables in a bucket are read as those of a folder are."""

from __future__ import annotations

from pathlib import Path

import pytest

from colisten.cli.app import program
from colisten.data.checks import check_tables
from colisten.data.gather import gathered, place_text
from colisten.errors import ConfigError, StoreError
from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket
from colisten.store.tables import BucketPlace
from tests.data.sources import copy_source
from tests.data.test_gather import parted


def pushed(folder: Path, address: StoreAddress) -> Path:
    """A folder's files as objects, and the path that a shell makes of their address."""
    bucket = Bucket(address)
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            bucket.store(file.relative_to(folder).as_posix(), file)
    empty = folder / "empty"
    empty.touch()
    for marker in ("interactions/", "other/"):
        bucket.create(marker, b"")
    bucket.store("interactions/_SUCCESS", empty)
    bucket.store("notes.bin", empty)
    return Path(str(address))


def test_parts_in_a_bucket_hold_what_the_tables_hold(
    address: StoreAddress, tiny_source: Path, tmp_path: Path
) -> None:
    place = pushed(parted(tiny_source, tmp_path / "parted"), address)
    with gathered(place) as tables:
        assert check_tables(tables) == check_tables(copy_source(tiny_source, tmp_path / "one"))
        assert not (tables / "notes.bin").exists()
    assert not tables.exists()


def test_files_in_a_bucket_are_the_tables(
    address: StoreAddress, tiny_source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = Bucket(address)
    for file in tiny_source.glob("*.parquet"):
        bucket.store(file.name, file)
    with pytest.raises(SystemExit) as ended:
        program()(["check", "--data", str(address)])
    assert ended.value.code in (0, None)
    assert "The tables keep the contract." in capsys.readouterr().out


def test_an_address_survives_being_a_path(tmp_path: Path) -> None:
    assert place_text(Path("s3://bucket/some/prefix")) == "s3://bucket/some/prefix"
    assert place_text(tmp_path / "s3:") == str(tmp_path / "s3:")


def test_a_bucket_that_is_none_is_told(address: StoreAddress) -> None:
    with pytest.raises(StoreError, match="no-such-bucket"), gathered(Path("s3://no-such-bucket/x")):
        pass
    with pytest.raises(ConfigError, match="no store"), gathered(Path("s3://B/x")):
        pass


def test_an_object_that_changes_meanwhile_is_told(
    address: StoreAddress, tiny_source: Path, tmp_path: Path
) -> None:
    bucket = Bucket(address)
    bucket.store("items.parquet", tiny_source / "items.parquet")
    place = BucketPlace(bucket)
    (name,) = place.names()
    bucket.store("items.parquet", tiny_source / "users.parquet")
    with pytest.raises(StoreError, match="start again when that is done"):
        place.fetched(name, tmp_path)
