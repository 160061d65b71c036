"""The whole road in this process: killed, resumed, and equal to Kubeflow's local runner."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import colisten.steps.settings
from colisten.data import parquet
from colisten.errors import TrainingError
from colisten.features.repository import source_digest
from colisten.files import folder_digests
from colisten.json_files import to_json
from colisten.pipelines.parameters import Places, Steps
from colisten.pipelines.retrain import AFTER, make_retrain
from colisten.ranking.rankers import SUBJECT
from colisten.release.feature_files import features_of
from colisten.release.store import ReleaseStore
from colisten.settings.tree import Settings, load_settings
from colisten.steps.artifacts.measures import Measured
from colisten.steps.cache import StepEvent, step_cache
from colisten.steps.code import code_digest
from colisten.steps.plan import Plan, release_steps, seconds_of_earlier_runs
from colisten.steps.trials import TEXT, TrainingRun, further_seeds
from colisten.steps.workflow import Home, Released, Window, release, trials
from tests import runs
from tests.conftest import CUT
from tests.feature_folders import live_features, online_db

pytestmark = pytest.mark.slow

# As Kubeflow's runner is asked; only the index is another.
QUICK = (*runs.QUICK, "index.backend=exact")
DAYS = runs.WINDOW_DAYS
# What changes the world.
ALWAYS = ("gate done", "publish done", "recommend done", "report done")


class Interrupted(BaseException):
    """What Ctrl-C does."""


def run(
    data: Path, out: Path, settings: Settings, stop_at: tuple[str, str] = ("", "")
) -> tuple[Released, list[str]]:
    """The release, and every step with how it ended; stopped when a step of a part begins."""
    events: list[StepEvent] = []

    def listen(event: StepEvent) -> None:
        events.append(event)
        if (event.step, event.part, event.state) == (*stop_at, "started"):
            raise Interrupted

    home = Home.at(out)
    with step_cache(home.steps, "release", settings, listen=listen) as cache:
        made = release(cache, Window(data, CUT, DAYS), home)
    return made, [
        f"{event.part} {event.step} {event.state}".strip()
        for event in events
        if event.state != "started"
    ]


@pytest.fixture(scope="module")
def home(tiny_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """OUT of a run that was stopped twice and then finished."""
    out = tmp_path_factory.mktemp("out")
    settings = load_settings(None, QUICK)
    for stop_at in (("train_towers", "backtest"), ("publish", "")):
        with pytest.raises(Interrupted):
            run(tiny_source, out, settings, stop_at)
    _, ends = run(tiny_source, out, settings)
    assert ends.count("backtest train_hgnn cached") == ends.count("train_hgnn cached") == 1
    assert "publish done" in ends
    return Home.at(out)


def test_again_only_what_changes_the_world_runs(home: Home, tiny_source: Path) -> None:
    made, ends = run(tiny_source, home.out, load_settings(None, QUICK))
    assert made.seconds.model
    assert made.seconds.baselines == {}
    assert "seconds" not in to_json(made.measured.table)
    assert [end for end in ends if not end.endswith("cached")] == list(ALWAYS)


def test_the_plan_is_what_comes(home: Home, tiny_source: Path) -> None:
    settings, events = load_settings(None, QUICK), list[StepEvent]()
    further = further_seeds(settings, 2)
    window, plan = Window(tiny_source, CUT, DAYS), Plan(release_steps(further))
    with step_cache(home.steps, "plan", settings, listen=events.append, plan=plan) as cache:
        made = release(cache, window, home)
        trials(cache, window, home, further, subject=SUBJECT, measured=made.lists)
    places = [each.place for each in events if each.state in ("cached", "done")]
    assert [place.number for place in places if place] == [*range(1, len(plan.steps) + 1)]
    assert {place.total for place in places if place} == {len(plan.steps)}
    earlier = seconds_of_earlier_runs(home.steps)
    assert earlier.keys() == {each.step for each in plan.steps}
    assert earlier["train_towers"] > 0


def test_other_factors_repeat_no_training_of_the_hgnn(
    home: Home, tiny_source: Path, tmp_path: Path
) -> None:
    _, ends = run(tiny_source, home.out, load_settings(None, (*QUICK, "graph.factors=16")))
    assert {"train_hgnn cached", "inspect_graph done", "train_towers done"} <= set(ends)
    # The model without graph is the same whatever the graph.
    assert ends.count("train_towers cached") == ends.count("train_towers done") == 1


def test_another_docstring_or_layout_of_a_page_repeats_no_training(
    home: Home, tiny_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "code"
    shutil.copytree(
        Path(colisten.__file__).parent,
        copy / "colisten",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    reading = partial(code_digest, home=copy)
    monkeypatch.setattr(colisten.steps.settings, "code_digest", reading)
    settings = load_settings(None, QUICK)
    reports = copy / "colisten" / "reports"
    for module in reports.glob("*.py"):
        module.write_text(module.read_text().replace('"""', '"""Edited. ', 1))
    _, ends = run(tiny_source, home.out, settings)
    assert {end for end in ends if not end.endswith("cached")} == set(ALWAYS)
    for template in reports.glob("templates/*"):
        template.write_text(f"{template.read_text()}\n")
    _, ends = run(tiny_source, home.out, settings)
    assert not {end for end in ends if "train" in end and not end.endswith("cached")}


def put_out(name: str, piped: Path) -> Path:
    """Where Kubeflow's runner left what the last measurement puts out under a name."""
    steps = Steps(load_settings(None, QUICK), Places.of_home(Home(piped)))
    tasks = make_retrain(steps).pipeline_spec.root.dag.tasks
    (task,) = [each for each, task in tasks.items() if task.task_info.name == AFTER]
    (place,) = (piped / "pipeline" / "runs").glob(f"*/{task}/{name}")
    return place


def test_the_release_is_that_of_the_local_runner(
    home: Home, tiny_source: Path, piped: Path
) -> None:
    made, _ = run(tiny_source, home.out, load_settings(None, QUICK))
    measured = Measured.load(put_out("table", piped))
    assert measured.table == made.measured.table
    (published,) = (piped / "releases").glob("r*")
    assert published.name == made.release.release_id
    lists = (parquet.read(out / "recommendations.parquet") for out in (home.out, piped))
    assert next(lists).equals(next(lists))


def test_trials_share_steps_and_a_failed_one_stops_no_other(home: Home, tiny_source: Path) -> None:
    settings = load_settings(None, QUICK)
    broken = load_settings(None, (*QUICK, "hgnn.fanouts=[5]"))
    events: list[StepEvent] = []
    window = Window(tiny_source, CUT, DAYS)
    both = [
        TrainingRun("full", settings, beside=("popularity",)),
        TrainingRun("no-graph", settings, TEXT),
    ]
    with (
        pytest.raises(TrainingError, match="one fan-out per layer"),
        step_cache(home.steps, "trials", settings, listen=events.append) as cache,
    ):
        trials(cache, window, home, [TrainingRun("broken", broken), *both], subject="full")
    assert [event.part for event in events if (event.step, event.state) == ("rank", "done")] == [
        "full, seed 0",
        "no-graph, seed 0",
    ]
    with step_cache(home.steps, "trials", settings) as cache:
        table = trials(cache, window, home, both, subject="full").table.table
    assert table.models == ("popularity", "full", "no-graph")
    values = [table.value(model, "MRR") for model in table.models]
    assert np.isfinite(np.array(values, float)).all()


def test_a_refused_candidate_changes_nothing_that_is_served(home: Home, tiny_source: Path) -> None:
    """Online features go with the pointer: the gate lets both change, or neither."""
    lenient = (*QUICK, "gate.min_coverage=0", "gate.min_lift_over_random=0", "gate.max_drop=1")
    store, features = ReleaseStore(home.out), live_features(home.out)
    online = online_db(features)

    def served() -> tuple[str | None, int, dict[str, str]]:
        # SQLite's file is replaced, never written to.
        return store.live(), online.stat().st_ino, folder_digests(live_features(home.out))

    made, _ = run(tiny_source, home.out, load_settings(None, lenient))
    before = served()
    assert before[0] == made.release.release_id
    settings = load_settings(None, (*lenient, "gate.min_lift_over_random=1000"))
    refused, _ = run(tiny_source, home.out, settings)
    assert not refused.release.promoted
    assert refused.release.release_id in {state.release_id for state in store.list()}
    assert served() == before
    # It has its own, with which it may be promoted by hand.
    other = features_of(home.out, store.show(refused.release.release_id))
    assert source_digest(other) == store.show(refused.release.release_id).features
    run(tiny_source, home.out, load_settings(None, lenient))
    assert served() != before


def test_a_run_says_how_long_each_rival_took(home: Home, tiny_source: Path) -> None:
    names = ["popularity (decayed)", "popularity + item-kNN"]
    settings = load_settings(None, (*QUICK, f"evaluation.baselines=[{', '.join(names)}]"))
    made, ends = run(tiny_source, home.out, settings)
    assert [*made.seconds.baselines] == names
    assert all(made.seconds.baselines.values())
    assert ends.count("train_hgnn cached") == 1
