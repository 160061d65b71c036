"""Neither a service nor a demo calls anybody beyond this machine, or looks a name up."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from colisten.telemetry import SWITCHES
from tests.calls import calls_beyond, recording
from tests.runs import CALLS
from tests.serving.conftest import Guarded, Home, Service, free_port, ready, stop

RESOLVER = Path(__file__).parents[1] / "recorder" / "resolver.py"
CODE = """
import socket
for address in (("127.0.0.1", 9), ("192.0.2.7", 9)):
    with socket.socket() as one:
        one.settimeout(0.01)
        try:
            one.connect(address)
        except OSError:
            pass
try:
    socket.getaddrinfo("tracker.invalid", 80)
except OSError:
    pass
"""


def test_the_recorder_notes_what_goes_out(tmp_path: Path) -> None:
    environment = {**os.environ, **recording(tmp_path / "calls")}
    subprocess.run([sys.executable, "-c", CODE], env=environment, check=True)
    beyond = calls_beyond(tmp_path / "calls")
    assert [line.split()[0] for line in beyond] == ["socket.connect", "socket.getaddrinfo"]
    assert "tracker.invalid" in beyond[1]


def test_switches_are_off_before_anything_is_imported() -> None:
    code = f"import os, colisten; print([os.environ.get(name) for name in {list(SWITCHES)}])"
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    environment["DO_NOT_TRACK"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(list((SWITCHES | {"DO_NOT_TRACK": "0"}).values()))


TOWER = """
import sys, time
from pathlib import Path
from colisten.models.onnx_tower import OnnxUserTower
tower = OnnxUserTower(Path(sys.argv[1]))
time.sleep(float(sys.argv[2]))
"""
LOOKUP = "import socket; socket.getaddrinfo('tracker.invalid', 80)"


def names_asked(*command: str) -> list[str]:
    """Names that a command looks up where there is no network."""
    alone = ["unshare", "--map-root-user", "--net"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody have a network of their own (unshare --net)")
    said = re.findall(r"^nameserver\s+(\S+)", Path("/etc/resolv.conf").read_text(), re.MULTILINE)
    if said and all(":" in server for server in said):
        pytest.skip("this machine's name servers are asked over IPv6, where nobody listens here")
    mine = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run(
        [*alone, sys.executable, str(RESOLVER), sys.executable, *command],
        env=mine,
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


@pytest.mark.slow
def test_compiled_code_looks_no_name_up(home: Home) -> None:
    """ONNX Runtime's telemetry is native: no audit hook hears it."""
    looked_up = f"try:\n  {LOOKUP}\nexcept OSError:\n  pass"
    assert names_asked("-c", looked_up) == ["tracker.invalid"]
    (release,) = [folder for folder in (home.folder / "releases").glob("r*") if folder.is_dir()][:1]
    assert names_asked("-c", TOWER, str(release), "18") == []


@pytest.mark.slow
def test_colisten_serve_calls_nobody(guarded: Guarded) -> None:
    answer = httpx.post(
        f"{guarded.service.url}/v1/recommend",
        json={"user_id": "u0001"},
        headers=guarded.headers,
        timeout=30,
    )
    assert answer.status_code == 200
    assert "socket." in guarded.calls.read_text()
    assert calls_beyond(guarded.calls) == []


@pytest.mark.slow
def test_bentoml_serve_calls_nobody(home: Home, tmp_path: Path) -> None:
    port, calls = free_port(), tmp_path / "calls"
    mine = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    mine |= recording(calls) | {"BENTOML_HOME": str(tmp_path / "bentoml")}
    mine |= {
        "COLISTEN_HOME": str(home.folder),
        "COLISTEN_SETTINGS": '{"index":{"backend":"exact"}}',
    }
    command = [str(Path(sys.executable).parent / "bentoml"), "serve"]
    command += ["colisten.serving.service:Colisten", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=mine, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        )
    service = ready(Service(process, f"http://127.0.0.1:{port}", home, tmp_path / "log"))
    try:
        assert service.post("/v1/recommend", user_id="u0001").status_code == 200
    finally:
        # BentoML tells its maker at the end as well.
        stop(service)
    assert calls_beyond(calls) == []


@pytest.mark.slow
def test_a_demo_calls_nobody(small_demo: tuple[Path, dict[str, Any]]) -> None:
    calls = small_demo[0].parent / CALLS
    assert calls.is_file()
    assert calls_beyond(calls) == []


def test_what_stays_is_told_from_what_leaves(tmp_path: Path) -> None:
    lines = [
        "socket.connect 1 ('127.0.0.1', 80)",
        "socket.connect 1 ('::1', 80, 0, 0)",
        "socket.connect 1 '/run/socket'",
        "socket.getaddrinfo 1 'localhost'",
        "socket.getaddrinfo 1 None",
        "socket.connect 1 ('10.0.0.1', 80)",
        "socket.getaddrinfo 1 'evil.example'",
        "socket.gethostbyname 1 'another'",
    ]
    (tmp_path / "calls").write_text("\n".join(lines))
    assert len(calls_beyond(tmp_path / "calls")) == 3
