"""Only whoever asks by the service's own name, and with its token where it has one, is let in."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from colisten.errors import ConfigError
from colisten.serving.door import LEAST_TOKEN, PROBES, Admission, Door
from colisten.settings.sections import ServingSettings
from tests.serving.conftest import Guarded, Service
from tests.serving.wire import answer_of, opened, status_of

TOKEN = "a-token-of-some-length"


def asked(serving: ServingSettings, *, host: str | None = "localhost", **headers: str) -> Any:
    """What comes back where a request with that `Host` meets the door."""
    app = Starlette(routes=[Route("/{rest:path}", lambda _: Response("in"))])
    admission = Admission.of(serving, {})
    with TestClient(Door(app, lambda: admission), base_url="http://localhost") as client:
        return client.get("/v1/release", headers={"Host": host or "", **headers})


@given(st.from_regex(r"[a-z]([a-z0-9-]{0,20}\.){1,3}[a-z]{2,9}(:[0-9]{1,5})?", fullmatch=True))
@example("evil.example")
@example("localhost.evil.example")
@example("127.0.0.1.evil.example:3000")
@example("evil.example:localhost")
@example("[::1].evil.example")
@example("")
def test_a_foreign_name_is_sent_away(host: str) -> None:
    answer = asked(ServingSettings(hosts=("shelves.example",)), host=host)
    assert (answer.status_code, answer.json()["code"]) == (421, "foreign_host")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost:3000", "localhost.", "127.0.0.1:3000", "[::1]:3000", "[::1]"),
        *("10.1.2.3:3000", "[2001:db8::1]:3000", "shelves.example", "Shelves.Example:443"),
    ],
)
def test_own_names_and_addresses_are_let_in(host: str) -> None:
    assert asked(ServingSettings(hosts=("SHELVES.example",)), host=host).status_code == 200


@pytest.mark.parametrize(
    ("address", "hosts", "let_in"),
    [
        *(("127.0.0.1", None, False), ("::1", None, False), ("::ffff:127.0.0.1", None, False)),
        *(("10.1.2.3", None, True), ("127.0.0.1", ("other.example",), True)),
        *(("10.1.2.3", ("own.example",), False), ("10.1.2.3", (), False)),
    ],
)
def test_without_a_word_only_the_loopback_asks_for_a_name(
    address: str, hosts: tuple[str, ...] | None, let_in: bool
) -> None:
    admission = Admission.of(ServingSettings(hosts=hosts), {})
    scope = {"server": (address, 3000), "headers": [(b"host", b"other.example:3000")]}
    refused = admission.refusal(scope)
    assert (None if refused is None else refused.fault.code) == (None if let_in else "foreign_host")


def test_the_token_is_asked_for_but_of_probes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    serving = ServingSettings(token_file=str(file))
    for header in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer "):
        answer = asked(serving, Authorization=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "no_token"), header
        assert answer.headers["www-authenticate"] == "Bearer"
    assert asked(serving, Authorization=f"Bearer {TOKEN}").status_code == 200
    assert asked(serving, Authorization=f"bearer  {TOKEN}").status_code == 200
    app = Starlette(routes=[Route("/{rest:path}", lambda _: Response("in"))])
    with TestClient(Door(app, lambda: Admission.of(serving, {}))) as client:
        assert {client.get(path).status_code for path in PROBES} == {200}
        assert client.get("/readyz/").status_code == 401


def test_the_token_may_stand_in_the_environment() -> None:
    assert Admission.of(ServingSettings(), {}).token is None
    told = Admission.of(ServingSettings(), {"COLISTEN_TOKEN": TOKEN})
    assert told.token is not None
    assert TOKEN.encode() not in told.token


@pytest.mark.parametrize("content", ["", "short", "x" * (LEAST_TOKEN - 1), "two\nlines of a text"])
def test_what_is_no_token_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(ConfigError, match="holds no token"):
        Admission.of(ServingSettings(token_file=str(file)), {})
    with pytest.raises(ConfigError, match="COLISTEN_TOKEN"):
        Admission.of(ServingSettings(), {"COLISTEN_TOKEN": content})
    with pytest.raises(ConfigError, match="Cannot read"):
        Admission.of(ServingSettings(token_file=str(tmp_path / "absent")), {})


@pytest.mark.slow
def test_a_service_on_loopback_is_asked_by_names_of_this_machine(service: Service) -> None:
    for path in ("/", "/docs", "/docs.json", "/metrics", "/v1/release", "/v1/nothing"):
        foreign = httpx.get(service.url + path, headers={"Host": "evil.example"}, timeout=30)
        assert (foreign.status_code, foreign.json()["code"]) == (421, "foreign_host"), path
        assert service.get(path).status_code != 421
    two = b"GET /v1/release HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    with opened(service.url, two) as kept:
        assert status_of(answer_of(kept)) == 400
    assert service.get("/livez").status_code == 200
    with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2]))) as old:
        old.sendall(b"GET /v1/release HTTP/1.0\r\n\r\n")
        assert old.recv(99).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_operators_have_a_port_of_their_own(guarded: Guarded) -> None:
    def ask(url: str, path: str, **headers: str) -> int:
        return httpx.get(url + path, headers=headers, timeout=30).status_code

    for path in ("/metrics", "/v1/release", "/release"):
        assert ask(guarded.service.url, path, **guarded.headers) == 404
        assert ask(guarded.operators, path, **guarded.headers) in (200, 308)
        assert ask(guarded.operators, path) == 401
        assert ask(guarded.operators, path, **guarded.headers, Host="evil.example") == 421
    for path in ("/docs.json", "/v1/health"):
        assert ask(guarded.service.url, path, **guarded.headers) == 200
        assert ask(guarded.service.url, path) == 401
        assert ask(guarded.operators, path, **guarded.headers) == 404
    for url in (guarded.service.url, guarded.operators):
        assert [ask(url, path) for path in ("/livez", "/readyz")] == [200, 200]


@pytest.mark.slow
def test_what_a_service_writes_is_its_owners_alone(guarded: Guarded) -> None:
    ask = {"user_id": "u0001", "surface": "home"}
    url = f"{guarded.service.url}/v1/recommend"
    assert httpx.post(url, json=ask, headers=guarded.headers, timeout=30).status_code == 200
    end, written = time.monotonic() + 30, list[Path]()
    while not written and time.monotonic() < end:
        time.sleep(0.2)
        written = [*(guarded.service.home.folder / "exposures").rglob("*")]
    assert len(written) > 1
    assert [file for file in written if file.stat().st_mode & 0o077] == []
