"""A bucket that really answers, and a home with two releases to push to it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from colisten.index import ExactIndex
from colisten.release.store import ReleaseStore
from colisten.store.address import StoreAddress
from colisten.store.bucket import Bucket
from colisten.store.mirror import Mirror
from tests.conftest import CUT
from tests.release.payloads import make_parts
from tests.s3_server import VARIABLES, make_bucket, s3_server

_numbers = itertools.count()


@dataclass(frozen=True)
class Origin:
    """A home with two releases, the first of which is live."""

    folder: Path
    ids: tuple[str, str]


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(scope="session")
def two_releases(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Origin:
    folder = tmp_path_factory.mktemp("origin")
    store = ReleaseStore(folder / "out")
    index = ExactIndex(folder / "out" / "index" / "exact")
    ids = []
    for seed in (0, 1):
        parts = make_parts(folder / str(seed), tiny_history, CUT, seed=seed)
        ids.append(store.publish(parts.payload(folder / f"payload-{seed}"), index))
    store.promote(ids[0], index)
    return Origin(folder / "out", (ids[0], ids[1]))


@pytest.fixture
def origin(two_releases: Origin, tmp_path: Path) -> Origin:
    """A copy of one's own."""
    shutil.copytree(two_releases.folder, tmp_path / "origin")
    return Origin(tmp_path / "origin", two_releases.ids)


@pytest.fixture
def address(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreAddress:
    """An empty store; what is worked on lies below `tmp_path`."""
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL_S3": s3}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    name = f"bucket-{next(_numbers)}"
    make_bucket(s3, name)
    return StoreAddress(name, "shelves/audiobooks")


def mirror_of(address: StoreAddress, folder: Path) -> Mirror:
    return Mirror(folder, Bucket(address))
