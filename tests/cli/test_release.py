"""`colisten release` as a user meets it: another process, an output folder, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colisten.cli.release import app
from colisten.errors import ColistenError
from colisten.index import open_index
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from tests.conftest import CUT
from tests.release.payloads import make_parts


@dataclass(frozen=True)
class Outcome:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Outcome]
Published = tuple[Path, str, str, Run]


def here(*arguments: str | Path) -> Outcome:
    """Run `colisten release ...` in this process, errors handled as `colisten.cli.app` does."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, ColistenError):
        return Outcome(result.exception.exit_code, result.stdout, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def elsewhere(*arguments: str | Path) -> Outcome:
    """Run it in a process of its own."""
    command = [sys.executable, "-m", "colisten", "release", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module", params=["exact", pytest.param("milvus", marks=pytest.mark.slow)])
def published(
    request: pytest.FixtureRequest, tiny_history: Path, tmp_path_factory: pytest.TempPathFactory
) -> Published:
    """An output folder with two releases, the first of them live, and how to run commands."""
    out = tmp_path_factory.mktemp("out")
    store = ReleaseStore(out)
    with open_index(out, IndexSettings(backend=request.param)) as index:
        ids = [
            store.publish(
                make_parts(out / f"parts{seed}", tiny_history, CUT, seed=seed).payload(
                    out / f"payload{seed}"
                ),
                index,
            )
            for seed in range(2)
        ]
        store.promote(ids[0], index)
    run = here if request.param == "exact" else elsewhere
    return out, ids[0], ids[1], run


def test_look_switch_and_go_back(published: Published) -> None:
    """No setting is repeated: the commands find the index that was published to."""
    out, one, two, colisten = published
    listed = colisten("list", "--out", out)
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert any(one in line and "live" in line for line in lines)
    assert any(two in line and "candidate" in line for line in lines)

    shown = colisten("show", "live", "--out", out)
    assert one in shown.stdout
    assert "For whom it is good" in shown.stdout
    assert "Titles that nobody had started" in shown.stdout
    assert colisten("show", "--out", out).stdout == shown.stdout, "the live one, unless told"
    as_json = json.loads(colisten("show", two, "--out", out, "--json").stdout)
    assert as_json["release_id"] == as_json["card"]["release_id"] == two
    assert as_json["card"]["software"]["colisten"]
    page = out / "a card.html"
    assert colisten("show", two, "--out", out, "--html", page).stdout.strip() == str(page)
    assert f"Model card of {two}" in page.read_text()
    assert as_json["files"]["item_vectors.npy"]["bytes"] > 0

    verified = colisten("verify", two, "--out", out, "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["index_recall"] == 1.0

    promoted = colisten("promote", two, "--out", out)
    assert promoted.returncode == 0, promoted.stderr
    assert f"{two} is live" in promoted.stdout
    states = json.loads(colisten("list", "--out", out, "--json").stdout)
    assert {state["release_id"]: state["state"] for state in states} == {
        two: "live",
        one: "previous",
    }
    rolled = colisten("rollback", "--out", out)
    assert rolled.returncode == 0, rolled.stderr
    assert f"{one} is live again" in rolled.stdout
    assert ReleaseStore(out).live() == one
    pruned = colisten("prune", "--out", out, "--keep", "0", "--json")
    assert json.loads(pruned.stdout) == {"removed": []}, "live and previous stay"


@pytest.mark.parametrize("published", ["exact"], indirect=True)
def test_faults_are_said_with_their_exit_code(published: Published, tmp_path: Path) -> None:
    out, one, _, colisten = published
    for arguments in (("show", "r0"), ("verify", "nobody"), ("promote", "r0123456789abcdef")):
        refused = colisten(*arguments, "--out", out)
        assert refused.returncode == 2
        assert f"No release '{arguments[1]}'" in refused.stderr
        assert "release list" in refused.stderr
    missing = colisten("list", "--out", tmp_path / "nowhere")
    assert missing.returncode == 2
    assert "nowhere" in missing.stderr
    assert colisten("show", "live", "--out", tmp_path).returncode == 2
    assert "No release" in colisten("list", "--out", tmp_path).stdout
    assert colisten("rollback", "--out", tmp_path).returncode == 1
    unknown = colisten("verify", one, "--out", out, "--set", "index.colour=red")
    assert unknown.returncode == 2

    vectors = out / "releases" / one / "item_vectors.npy"
    whole = vectors.read_bytes()
    vectors.write_bytes(whole[:-1] + b"\1")
    damaged = colisten("verify", one, "--out", out)
    vectors.write_bytes(whole)
    assert damaged.returncode == 1
    assert "item_vectors.npy differs" in damaged.stderr


def test_every_command_explains_itself() -> None:
    names = set()
    for command in app.registered_commands:
        assert command.callback is not None
        names.add(command.name or command.callback.__name__)
    assert names == {
        *("list", "show", "verify", "sign", "promote", "publish", "rollback", "prune"),
        *("fetch", "fill", "push"),
    }
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"Example: colisten release {command.name or command.callback.__name__}" in str(
            command.callback.__doc__
        )
