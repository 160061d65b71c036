"""`colisten demo` shows what docs/world.md says, and its last lines work."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from benchmarks import price
from benchmarks.pairs import read_result
from colisten.cli.demo import SMALL
from colisten.cli.demo_service import free_port
from colisten.simulator import WorldSettings, simulate
from tests.cli.test_commands import called
from tests.demos import demo_command

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
PAGE = (ROOT / "docs" / "world.md").read_text()
Small = tuple[Path, dict[str, Any]]
# Of a figure on another kind of processor.
NEAR = 0.03


def quoted(command: str) -> list[str]:
    """The cells that the page has for a demo."""
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{command}` |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def lift(document: dict[str, Any], arm: str) -> dict[str, float]:
    (one,) = (
        each["lift"]
        for each in document["experiment"]["lifts"]
        if (each["arm"], each["metric"]) == (arm, "new_start_rate")
    )
    return dict(one)


def check_figures(rates: dict[str, float], gain: dict[str, float], cells: list[str]) -> None:
    for model, cell in zip(("2T-HGNN", "2T", "popularity"), cells[2:5], strict=True):
        assert rates[model] == pytest.approx(float(cell), abs=NEAR), model
    assert gain["low"] > 0.2, "the arms tell"
    assert abs(100 * gain["value"] - float(cells[5].strip("+ %"))) < 25


def test_the_page_names_the_worlds() -> None:
    sizes = [f"{SMALL[name]:,}" for name in ("users", "audiobooks")]
    assert quoted("colisten demo")[:2] == sizes
    whole = WorldSettings()
    assert quoted("colisten demo --full")[:2] == [f"{whole.users:,}", f"{whole.audiobooks:,}"]


def test_a_folder_with_another_world_is_refused(tmp_path: Path) -> None:
    simulate(tmp_path / "world", WorldSettings(users=20, audiobooks=40, podcasts=40, days=28))
    (tmp_path / "run").mkdir()
    before = (tmp_path / "world" / "world.json").read_bytes()
    code, _, errors = called("demo", "--out", str(tmp_path))
    assert code == 2
    assert "holds the demo of another world. Give another --out" in errors
    assert (tmp_path / "world" / "world.json").read_bytes() == before


@pytest.mark.slow
def test_the_small_demo_shows_what_the_page_says(small_demo: Small) -> None:
    folder, first = small_demo
    rates = {name: row["HR@10"] for name, row in first["figures"].items()}
    check_figures(rates, lift(first, "2T-HGNN"), quoted("colisten demo"))
    assert first["run"]["promoted"]
    pages = {"drift.html", "evaluation.html", "experiment.html", "graph.html", "model_card.html"}
    assert pages <= {page.name for page in (folder / "run" / "reports").iterdir()}
    similar, serve, curl = map(shlex.split, first["run"]["next"][:3])
    assert (serve[1], curl[0]) == ("serve", "curl")
    code, text, _ = called(*similar[1:])
    assert code == 0
    assert first["run"]["release_id"] in text


@pytest.mark.slow
def test_again_it_is_the_same_and_leaves_a_service_where_asked(small_demo: Small) -> None:
    folder, first = small_demo
    port = free_port()
    started = subprocess.Popen(
        demo_command(folder, "--serve", "--port", str(port)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert started.stdout is not None
    assert started.stderr is not None
    try:
        lines = list(until(started.stdout, "}"))
        again = json.loads("".join(lines))
        assert again["run"]["release_id"] == first["run"]["release_id"]
        assert [unasked(shelf) for shelf in again["shelves"]] == [
            unasked(shelf) for shelf in first["shelves"]
        ]
        assert again["seconds"] < first["seconds"]
        list(until(started.stderr, f"Serving on http://127.0.0.1:{port} until Ctrl-C."))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            assert answer.status == 200
    finally:
        started.terminate()
        assert started.wait(timeout=60) == 143
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)


def unasked(shelf: dict[str, Any]) -> dict[str, Any]:
    """A shelf without the id of the request that asked for it."""
    return {name: value for name, value in shelf.items() if name != "request_id"}


def until(stream: IO[str], last: str) -> Iterator[str]:
    """Lines of a stream up to one, that one too."""
    for line in stream:
        yield line
        if line.rstrip("\n") == last:
            return


def test_the_page_has_the_committed_figures_of_the_full_demo() -> None:
    row = read_result(price.NAME)["rows"]["demo --full"]
    check_figures(row["HR@10"], row["new_starts"], quoted("colisten demo --full"))
    assert row["promoted"]
    assert "EASE" in row["HR@10"]
