"""README's commands do what it says, in its order."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import price, worlds
from benchmarks.pairs import read_result

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def blocks() -> list[list[str]]:
    found = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    return [[line for line in block.splitlines() if line.strip()] for block in found]


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", TEXT)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_the_two_commands_are_targets() -> None:
    assert blocks()[0] == ["make demo", "make test"]
    makefile = (ROOT / "Makefile").read_text()
    for target in ("setup", "lint", "test", "demo", "bench"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_price_is_that_of_the_committed_result() -> None:
    for name, row in read_result(price.NAME)["rows"].items():
        said = {"demo": "| `make demo` |", "demo again": "| the same again |"}.get(
            name, f"| `.venv/bin/colisten {name}` |"
        )
        (line,) = [line for line in TEXT.splitlines() if line.startswith(said)]
        assert line.endswith(price.cells(row))


def test_the_worlds_are_as_many_as_the_committed_result_has() -> None:
    assert f"{read_result(worlds.NAME)['worlds']} simulated worlds" in TEXT


@pytest.mark.slow
def test_the_commands_run(small_demo: tuple[Path, dict[str, Any]]) -> None:
    demo, own, serve = blocks()
    # What the demo makes of nothing, `test_demo` sees; here it finds most steps done.
    if not (ROOT / "demo-out").exists():
        shutil.copytree(small_demo[0], ROOT / "demo-out")
    # `make test` is what runs this test.
    for line in [demo[0], *own]:
        done = subprocess.run(
            shlex.split(line), cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    (python,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-c", python],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("1 "), done.stdout
    release_id = json.loads((ROOT / "demo-out/run/metrics.json").read_text())["release"][
        "release_id"
    ]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    start, ask = (line.replace("3000", port) for line in serve)
    service = subprocess.Popen(shlex.split(start), cwd=ROOT)
    try:
        deadline = time.monotonic() + 90
        answer = ""
        while time.monotonic() < deadline and release_id not in answer:
            time.sleep(1)
            assert service.poll() is None, "the service ended"
            answer = subprocess.run(
                shlex.split(ask), capture_output=True, text=True, check=False
            ).stdout
        shelf = json.loads(answer)
        assert shelf["release_id"] == release_id
        assert len(shelf["items"]) == 5
        assert all(item["title"] and item["why"] for item in shelf["items"])
    finally:
        service.terminate()
        service.wait(timeout=60)
