"""Whatever commands left behind: after `forget` nothing of it names the person."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from colisten.cli.app import answer
from colisten.release.front import load_release
from tests.privacy.home import naming
from tests.privacy.test_forget import hashed_in

pytestmark = pytest.mark.slow


def forgotten(
    out: Path, user_id: str, capsys: pytest.CaptureFixture[str], *settings: str
) -> dict[str, Any]:
    """What the command says; it ends well and does not say who it was."""
    capsys.readouterr()
    overrides = [part for setting in settings for part in ("--set", setting)]
    assert answer(["forget", user_id, "--out", str(out), "--json", *overrides]) == 0
    said = capsys.readouterr()
    assert user_id not in said.out + said.err
    document: dict[str, Any] = json.loads(said.out)
    return document


def test_a_demo_forgets_who_was_served_and_who_was_in_the_experiment(
    small_demo: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo, document = small_demo
    out = shutil.copytree(demo / "run", tmp_path / "it's elsewhere [now]")
    person = document["shelves"][0]["user_id"]
    assert {name.split("/")[0] for name in naming(out, person)} == {
        *("experiment", "exposures", "features", "recommendations.parquet", "shelves", "steps"),
    }
    others = pq.read_table(out / "recommendations.parquet", columns=["user_id"]).num_rows
    said = forgotten(out, person, capsys)
    assert naming(out, person) == hashed_in(out, person) == []
    assert said["named"] == [], "no page or figure of ours names anybody"
    left = pq.read_table(out / "recommendations.parquet", columns=["user_id"]).num_rows
    assert 0 < others - left <= 100
    assert answer(["release", "verify", "live", "--out", str(out)]) == 0
    release = load_release(out)
    assert release.recommend(document["shelves"][1]["user_id"], 5)
    assert all(item.why in ("popular", None) for item in release.recommend(person, 5))
    assert forgotten(out, person, capsys)["found"] == []


def test_a_run_by_kubeflows_runner_forgets_too(
    piped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, person = shutil.copytree(piped, tmp_path / "piped"), "u0011"
    assert any(name.startswith("pipeline/runs/") for name in naming(out, person))
    # Its releases are signed, and so is what takes their place.
    forgotten(out, person, capsys, f"release.signing_key={piped.parent / 'release.key'}")
    assert naming(out, person) == hashed_in(out, person) == []
    assert not list((out / "pipeline" / "cache").glob("*"))
    assert answer(["release", "verify", "live", "--out", str(out)]) == 0
