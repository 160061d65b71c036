"""A step is computed once for what it is computed from, and a killed run goes on."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from colisten.errors import PipelineError, TrainingError
from colisten.settings.tree import Settings, load_settings
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.vectors import TextVectors
from colisten.steps.cache import KEPT_RUNS, StepCache, StepEvent, seconds_behind, step_cache

CALLS: list[str] = []


def entries(root: Path) -> list[str]:
    """Steps whose results are there."""
    return sorted(entry.parent.name.split("-")[0] for entry in root.glob("*/entry.json"))


class Drawn(NamedTuple):
    """Vectors."""

    vectors: TextVectors


class Summed(NamedTuple):
    """A figure."""

    metrics: Metrics


def draw(number: int, place: Path, *, seed: int) -> Drawn:
    """A step without inputs from others."""
    CALLS.append("draw")
    return Drawn(TextVectors(np.full((2, number), seed, np.float32)))


def total(drawn: TextVectors, others: list[TextVectors], *, threads: int) -> Summed:
    """A step on one artifact and a list of them."""
    CALLS.append("total")
    if threads > 8:
        raise TrainingError("Too many threads.")
    each = [drawn, *others]
    return Summed(Metrics({"sum": float(sum(one.vectors.sum() for one in each))}))


def work(cache: StepCache, number: int = 3) -> float:
    """A workflow of both."""
    drawn = cache.run(draw, number=number, place=Path("/anywhere")).vectors
    twice = cache.under(cache.settings, "twice")
    figures = twice.run(total, drawn=drawn, others=[drawn]).metrics.figures
    assert figures["sum"] is not None
    return figures["sum"]


def states(
    root: Path, settings: Settings | None = None, *, number: int = 3, use_cache: bool = True
) -> list[str]:
    """What a run says of its steps."""
    events: list[StepEvent] = []
    with step_cache(
        root, "work", settings or Settings(seed=1), use_cache=use_cache, listen=events.append
    ) as cache:
        work(cache, number)
    return [f"{event.step} {event.state}" for event in events if event.state != "started"]


def test_a_finished_step_is_not_repeated(tmp_path: Path) -> None:
    assert states(tmp_path) == ["draw done", "total done"]
    assert states(tmp_path) == ["draw cached", "total cached"]
    assert states(tmp_path, use_cache=False) == ["draw done", "total done"]
    with step_cache(tmp_path, "work", Settings(seed=1)) as cache:
        assert work(cache) == 12.0


def test_what_a_step_took_stands_beside_what_it_left(tmp_path: Path) -> None:
    with step_cache(tmp_path, "one", Settings()) as cache:
        drawn = cache.run(draw, number=3, place=Path("/anywhere")).vectors
        took = seconds_behind(drawn)
        assert took is not None
        assert took > 0
        again = cache.run(draw, number=3, place=Path("/anywhere")).vectors
        assert seconds_behind(again) == took
    assert seconds_behind(Metrics({})) is None
    assert seconds_behind(Metrics({"a": 1.0}).save(tmp_path / "alone" / "metrics")) is None


def test_settings_and_inputs_are_part_of_the_key_and_places_are_not(tmp_path: Path) -> None:
    states(tmp_path)
    assert states(tmp_path, Settings(seed=1, threads=3)) == ["draw cached", "total done"]
    assert states(tmp_path, Settings(seed=2)) == ["draw done", "total done"]
    assert states(tmp_path, load_settings(None, ("seed=1", "hgnn.alpha=0.5"))) == [
        "draw cached",
        "total cached",
    ]
    CALLS.clear()
    with step_cache(tmp_path, "work", Settings(seed=1)) as cache:
        cache.run(draw, number=3, place=Path("/elsewhere"))
    assert CALLS == []


def test_equal_results_of_other_inputs_go_on_as_equal(tmp_path: Path) -> None:
    # No column holds the seed, so the vectors are the same whatever it is.
    assert states(tmp_path, Settings(seed=1), number=0) == ["draw done", "total done"]
    assert states(tmp_path, Settings(seed=2), number=0) == ["draw done", "total cached"]


def test_what_changes_the_world_always_runs(tmp_path: Path) -> None:
    CALLS.clear()
    for _ in range(2):
        with step_cache(tmp_path, "work", Settings()) as cache:
            cache.run(draw, number=3, place=tmp_path, changes_world=True)
    assert CALLS == ["draw", "draw"]


def test_a_failed_step_is_reported_and_those_before_it_are_kept(tmp_path: Path) -> None:
    events: list[StepEvent] = []
    settings = Settings(seed=1, threads=9)
    with (
        pytest.raises(TrainingError, match="Too many threads"),
        step_cache(tmp_path, "work", settings, listen=events.append) as cache,
    ):
        work(cache)
    assert [(event.step, event.state, event.part) for event in events][-1] == (
        "total",
        "failed",
        "twice",
    )
    assert states(tmp_path) == ["draw cached", "total done"]


def test_an_entry_that_was_not_finished_or_was_damaged_does_not_count(tmp_path: Path) -> None:
    states(tmp_path)
    (half,) = tmp_path.glob("draw-*")
    (half / "entry.json").unlink()
    (tmp_path / ".aside.1-a.partial").mkdir()
    assert states(tmp_path) == ["draw done", "total cached"]
    assert not (tmp_path / ".aside.1-a.partial").exists()
    next(tmp_path.glob("total-*/metrics")).unlink()
    assert states(tmp_path) == ["draw cached", "total done"]
    (half / "entry.json").write_text("{")
    assert states(tmp_path) == ["draw done", "total cached"]


def test_a_folder_may_move_and_what_cannot_move_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert states(tmp_path / "there") == ["draw cached", "total cached"]
    monkeypatch.setattr(TextVectors, "movable", False)
    assert states(tmp_path / "there") == ["draw done", "total cached"]
    assert states(tmp_path / "there") == ["draw cached", "total cached"]


def test_entries_of_the_newest_runs_are_kept_and_older_ones_swept(tmp_path: Path) -> None:
    for seed in range(KEPT_RUNS + 2):
        states(tmp_path, Settings(seed=seed))
    assert len(list(tmp_path.glob("draw-*"))) == KEPT_RUNS
    assert states(tmp_path, Settings(seed=2)) == ["draw cached", "total cached"]
    # A run of another workflow takes nothing away.
    with step_cache(tmp_path, "other", Settings()) as cache:
        cache.run(draw, number=9, place=tmp_path)
    assert len(list(tmp_path.glob("draw-*"))) == KEPT_RUNS + 1
    assert len(json.loads((tmp_path / "runs.json").read_text())["work"]) == KEPT_RUNS


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PipelineError, match="Another run"):
            states(tmp_path)
    assert states(tmp_path) == ["draw done", "total done"]


KILLED = """
import os, signal, sys
from pathlib import Path
from colisten.settings.tree import Settings
from colisten.steps import cache
from tests.steps import test_cache

def die(event):
    if event.state == "started" and event.step == "total":
        os.kill(os.getpid(), signal.SIGKILL)

with cache.step_cache(Path(sys.argv[1]), "work", Settings(seed=1), listen=die) as held:
    test_cache.work(held)
"""


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, env=dict(os.environ)
    )
    assert killed.returncode == -9
    assert states(tmp_path) == ["draw cached", "total done"]


def test_what_no_run_used_for_long_is_removed(tmp_path: Path) -> None:
    """Three other runs may never come: rows of users do not stay for want of them."""
    days, kept = 30, Settings(seed=1)
    states(tmp_path, kept)
    for entry in tmp_path.glob("*/entry.json"):
        old = entry.stat().st_mtime - (days + 1) * 86_400
        os.utime(entry, (old, old))
    assert states(tmp_path, kept) == ["draw cached", "total cached"], "used now, and so not old"
    assert entries(tmp_path) == ["draw", "total"]
    for entry in tmp_path.glob("draw-*/entry.json"):
        os.utime(entry, (old, old))
    states(tmp_path, Settings(seed=2, cache_keep_days=None))
    assert entries(tmp_path) == ["draw", "draw", "total", "total"], "null keeps them"
    states(tmp_path, Settings(seed=2))
    assert entries(tmp_path) == ["draw", "total", "total"]
