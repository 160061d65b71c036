"""What a service does at its edges: slow, many, foreign and hostile clients, and its own end.

Real parts: `colisten serve` on a published folder, over bare sockets on loopback.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from colisten.serving.incoming import DEADLINE_HEADER
from tests.serving.conftest import CONNECTIONS, Home, Service, start, stop
from tests.serving.wire import Load, address, head, opened, post

pytestmark = pytest.mark.slow

SHELF = {"user_id": "u0001", "k": 5}
EVENT = {
    "user_id": "u0013",
    "item_id": "a001",
    "item_type": "audiobook",
    "signal": "stream",
    "timestamp": "2025-07-01T00:00:00Z",
}
# Of the clock of a machine that is shared: an answer is on time by the service's.
SLACK = 1.0


def test_at_three_times_what_it_can_do_who_is_answered_is_answered_in_time(
    narrow: Service,
) -> None:
    deadline = 3.0
    request = post("/v1/recommend", SHELF, **{DEADLINE_HEADER: int(deadline * 1000)})
    load = asyncio.run(_clients(narrow.url, request, clients=40, seconds=6))
    assert load.lost == []
    assert set(load.statuses) <= {200, 429, 504}
    assert load.statuses[200] > 50
    # Twelve have a place; the other twenty-eight ask again and again.
    assert load.statuses[429] > load.statuses[504]
    assert all(int(one) >= 1 for one in load.retry_after)
    times = sorted(load.seconds[200])
    assert times[int(0.99 * len(times))] < deadline + SLACK
    assert narrow.post("/v1/recommend", **SHELF).status_code == 200


async def _clients(url: str, request: bytes, *, clients: int, seconds: float) -> Load:
    load, end = Load(), time.monotonic() + seconds
    await asyncio.gather(
        *(load.ask(url, request, lambda: time.monotonic() > end) for _ in range(clients))
    )
    return load


def test_the_deadline_of_the_caller_is_kept(narrow: Service) -> None:
    def ask(value: str, path: str = "/v1/recommend", **body: Any) -> httpx.Response:
        return httpx.post(
            narrow.url + path, json=body or SHELF, headers={DEADLINE_HEADER: value}, timeout=30
        )

    assert ask("60000").status_code == 200
    answers = [ask("1") for _ in range(20)]
    late = [one for one in answers if one.status_code == 504]
    assert late
    assert {one.json()["code"] for one in late} == {"too_late"}
    for bad in ("0", "-1", "60001", "1.5", "", "soon", "9" * 5000, "1e3"):
        answer = ask(bad)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), bad
        assert DEADLINE_HEADER in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", None]
)
def test_a_form_of_another_site_writes_nothing(narrow: Service, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    for path in ("/v1/events", "/v1/recommend", "/v1/similar", "/v1/user_vector"):
        answer = httpx.post(
            narrow.url + path, content=json.dumps(EVENT), headers=headers, timeout=30
        )
        assert (answer.status_code, answer.json()["code"]) == (415, "not_json")
    for good in ("application/json", "Application/JSON; charset=utf-8"):
        answer = httpx.post(
            narrow.url + "/v1/recommend",
            content=json.dumps(SHELF),
            headers={"Content-Type": good},
            timeout=30,
        )
        assert answer.status_code == 200


def test_pages_of_other_sites_may_not_ask(narrow: Service) -> None:
    other = {"Origin": "http://other.example"}
    for path in (
        "/v1/recommend",
        "/v1/events",
        "/v1/release",
        "/docs.json",
        "/metrics",
        "/",
        "/nothing",
    ):
        asked = {**other, "Access-Control-Request-Method": "POST"}
        preflight = httpx.options(narrow.url + path, headers=asked, timeout=30)
        assert preflight.status_code >= 400, path
        plain = httpx.request("GET", narrow.url + path, headers=other, timeout=30)
        for answer in (preflight, plain):
            assert not [one for one in answer.headers if one.startswith("access-control-")]
    answer = httpx.post(f"{narrow.url}/v1/recommend", json=SHELF, headers=other, timeout=30)
    assert answer.status_code == 200
    assert not [one for one in answer.headers if one.startswith("access-control-")]


def test_head_and_options(narrow: Service) -> None:
    for path in ("/v1/release", "/docs.json", "/metrics", "/livez", "/readyz", "/"):
        got, asked = narrow.get(path), httpx.head(narrow.url + path, timeout=30)
        assert (asked.status_code, asked.content) == (got.status_code, b"") == (200, b"")
        assert asked.headers["content-type"] == got.headers["content-type"]
    assert httpx.head(f"{narrow.url}/v1/recommend", timeout=30).status_code == 405
    for path, allow in (("/v1/recommend", "POST, OPTIONS"), ("/v1/release", "GET, HEAD, OPTIONS")):
        answer = httpx.options(narrow.url + path, timeout=30)
        assert (answer.status_code, answer.headers["allow"]) == (204, allow)


def test_large_answers_are_compressed_where_that_is_asked_for(narrow: Service) -> None:
    for path in ("/docs.json", "/metrics"):
        with httpx.stream(
            "GET", narrow.url + path, headers={"Accept-Encoding": "gzip"}, timeout=30
        ) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
        plain = httpx.get(narrow.url + path, headers={"Accept-Encoding": "identity"}, timeout=30)
        assert "content-encoding" not in plain.headers
        assert len(raw) < len(plain.content) / 2
        if path == "/docs.json":
            assert gzip.decompress(raw) == plain.content
    small = httpx.post(f"{narrow.url}/v1/recommend", json=SHELF, timeout=30)
    assert "content-encoding" not in small.headers


def test_unknown_paths_and_methods_make_no_metric(narrow: Service) -> None:
    def names() -> set[str]:
        lines = narrow.get("/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    with httpx.Client(base_url=narrow.url, timeout=30) as client:
        for method in ("GET", "POST", "PATCH"):
            client.request(method, "/unknown")
            client.request(method, "/release/x")
        before = names()
        for number in range(300):
            answer = client.request(("GET", "POST", "PATCH")[number % 3], f"/unknown/{number}")
            assert answer.status_code == 404
    assert names() - before == set()
    assert not [one for one in names() if "/unknown" in one]


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "u"} | {f"f{at}": at for at in range(60_000)},
        {"user_id": "u", "exclude": [7] * 300_000},
        {"user_id": "u", "filter": {"include": {f"c{at}": [{}] * 300 for at in range(700)}}},
        {"user_id": "u", "filter": {"include": {"genres": [{}] * 200_000}}},
        {"user_id": "u", "filter": {"ranges": {f"c{at}": {"x": 1} for at in range(40_000)}}},
        {"user_id": "u", "filter": {"ranges": {"c": {f"f{at}": 1 for at in range(60_000)}}}},
    ],
    ids=["fields", "exclude", "columns", "values", "ranges", "range"],
)
def test_a_body_of_nothing_but_faults_costs_little(narrow: Service, body: object) -> None:
    worker = _worker(narrow)
    sent = json.dumps(body, separators=(",", ":")).encode()
    assert 300_000 < len(sent) < 1024 * 1024
    before = _cpu_seconds(worker)
    for _ in range(5):
        answer = httpx.post(
            f"{narrow.url}/v1/recommend",
            content=sent,
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        assert answer.status_code == 400
        assert len(answer.content) < 64 * 1024
    # A body of that kind took more than a second of a worker.
    assert (_cpu_seconds(worker) - before) / 5 < 0.4


def test_a_body_is_as_long_as_its_route_needs(narrow: Service) -> None:
    for path, size in (("/v1/user_vector", 600_000), ("/v1/recommend", 1_100_000)):
        answer = httpx.post(
            narrow.url + path,
            content=b" " * size,
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_that_ends_loses_no_request(home: Home, tmp_path: Path, workers: int) -> None:
    service = start(home, tmp_path / "log", "serving.drain_seconds=1.5", workers=workers)
    try:
        load, unready = asyncio.run(_end_under_load(service))
        assert service.process.wait(60) == 0
    finally:
        stop(service)
    assert load.lost == []
    assert set(load.statuses) == {200}
    assert load.statuses[200] > 50
    assert unready == 503
    # Nobody was made to wait at a door behind which nobody is.
    assert load.refused > 0


async def _end_under_load(service: Service) -> tuple[Load, int | None]:
    load = Load()
    unready: list[int] = []
    asking, telling = post("/v1/recommend", SHELF), post("/v1/events", EVENT)

    def over() -> bool:
        return service.process.poll() is not None

    async def conduct() -> None:
        await asyncio.sleep(1.5)
        os.kill(service.process.pid, signal.SIGTERM)
        await asyncio.sleep(0.7)
        async with httpx.AsyncClient(timeout=30) as client:
            unready.append((await client.get(f"{service.url}/readyz")).status_code)

    clients = [load.ask(service.url, one, over) for one in [asking] * 10 + [telling] * 2]
    await asyncio.gather(conduct(), *clients)
    return load, unready[0] if unready else None


def test_a_service_ends_whatever_its_clients_do(home: Home, tmp_path: Path) -> None:
    service = start(home, tmp_path / "log", "serving.end_seconds=2", "serving.body_seconds=600")
    part = head("/v1/recommend", {"Content-Type": "application/json", "Content-Length": 100}) + b"{"
    held = [opened(service.url, part) for _ in range(20)]
    time.sleep(0.5)
    started = time.monotonic()
    assert stop(service) == 0
    assert time.monotonic() - started < 30
    for one in held:
        one.close()


def test_a_worker_that_is_ended_alone_is_replaced(home: Home, tmp_path: Path) -> None:
    service = start(home, tmp_path / "log")
    try:
        first = _worker(service)
        os.kill(first, signal.SIGTERM)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                answer = httpx.post(f"{service.url}/v1/recommend", json=SHELF, timeout=5)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if answer.status_code == 200 and _worker(service) != first:
                break
            time.sleep(0.2)
        else:
            pytest.fail("no other worker came")
        text = service.get("/metrics").text
        assert f'colisten_release_workers{{release_id="{home.ids[0]}"}} 1.0' in text
    finally:
        stop(service)


def _worker(service: Service) -> int:
    """The process that answers."""
    parent = service.process.pid
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if b"_bentoml_impl.worker.service" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    raise AssertionError("no worker")


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_flood_of_connections_is_cut_off(narrow: Service) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(3 * CONNECTIONS):
            held.append(socket.create_connection(address(narrow.url), timeout=30))
        time.sleep(0.3)
        gone = 0
        for one in held:
            one.setblocking(False)
            try:
                gone += one.recv(1) == b""
            except ConnectionError:
                gone += 1
            except BlockingIOError:
                pass
        assert gone >= CONNECTIONS // 2
    finally:
        for one in held:
            one.close()
    time.sleep(0.5)
    assert narrow.post("/v1/recommend", **SHELF).status_code == 200
