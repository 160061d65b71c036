"""Releases are flipped and rolled back while requests run; nobody notices but by the name."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import Any

import httpx
import pytest

from colisten.index import open_index
from colisten.index.lite_server import LiteServer
from colisten.release.store import ReleaseStore
from colisten.settings.sections import IndexSettings
from tests.serving.conftest import Service

pytestmark = pytest.mark.slow

FLIPS = 24
USERS = [f"u{number:04d}" for number in range(60, 68)]
Answer = tuple[tuple[str, float | None, str | None], ...]


def read(answer: dict[str, Any]) -> Answer:
    return tuple(
        (item["item_id"], round(item["score"], 5), item["why"]) for item in answer["items"]
    )


def wait_for(service: Service, release_id: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if service.get("/v1/release").json()["release_id"] == release_id:
            return
        time.sleep(0.05)
    raise AssertionError(f"{release_id} was not taken up")


def test_every_answer_is_of_one_release_while_releases_flip(service: Service) -> None:
    store = ReleaseStore(service.home.folder)
    first, second = service.home.ids
    with (
        LiteServer(service.home.folder),
        open_index(service.home.folder, IndexSettings(backend="milvus")) as index,
    ):
        expected: dict[tuple[str, str], Answer] = {}
        for release_id in (second, first):
            store.promote(release_id, index)
            wait_for(service, release_id)
            for user in USERS:
                answer = service.post("/v1/recommend", user_id=user).json()
                assert answer["release_id"] == release_id
                expected[release_id, user] = read(answer)
        for user in USERS:
            assert expected[first, user] != expected[second, user]

        ended = threading.Event()
        wrong: list[str] = []
        seen: list[str] = []
        searches: list[str] = []

        def load(offset: int) -> None:
            with httpx.Client(base_url=service.url, timeout=30) as client:
                turn = offset
                while not ended.is_set():
                    user = USERS[turn % len(USERS)]
                    turn += 1
                    try:
                        answer = client.post("/v1/recommend", json={"user_id": user})
                    except httpx.HTTPError as error:
                        wrong.append(repr(error))
                        continue
                    if answer.status_code != 200:
                        wrong.append(answer.text)
                        continue
                    body = answer.json()
                    seen.append(body["release_id"])
                    searches.append(body["how"]["search"])
                    if read(body) != expected[body["release_id"], user]:
                        wrong.append(answer.text)

        threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            for flip in range(FLIPS):
                if flip % 4 == 1:
                    # There and back at once: the loader must end up where the pointer is.
                    store.rollback(index)
                    store.rollback(index)
                target = second if store.live() == first else first
                if flip % 2:
                    assert store.rollback(index) == target
                else:
                    store.promote(target, index)
                wait_for(service, target)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    assert store.live() == first
    assert wrong == []
    # Each take-up was waited for, so the load saw both releases many times over.
    assert sum(one != other for one, other in pairwise(seen)) >= FLIPS // 2
    assert searches.count("milvus") > 0.9 * len(searches)
