"""What a run says beforehand: its steps, and about how long and how much memory it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from colisten.data.forecast import Forecast, Hub
from colisten.json_files import write_json
from colisten.settings.tree import Settings, load_settings
from colisten.steps.plan import Plan, release_steps, trial_steps
from colisten.steps.trials import further_seeds
from colisten.steps.use_cases.preflight import expected_gib, expected_seconds, look_ahead, words_of

CUT = datetime(2025, 6, 16, tzinfo=UTC)
# The demo's world, which took 188 s and 1.7 GiB with default settings, alone on two cores.
DEMO = Forecast(
    cut=CUT,
    window_days=14,
    first=CUT - timedelta(days=106),
    last=CUT + timedelta(days=13.9),
    target_type="audiobook",
    events=136_556,
    starts=7_686,
    users=4_318,
    cold=2_604,
    measured=1_221,
    measured_cold=256,
    titles=591,
    items=2_600,
    texts=2_600,
    hub=Hub("Night trains", 0.07),
)


def look(tmp_path: Path, forecast: Forecast = DEMO, settings: Settings | None = None) -> Plan:
    return look_ahead(
        forecast,
        release_steps(),
        settings or Settings(),
        root=tmp_path / "steps",
        texts=tmp_path / "text",
    )[1]


def test_the_demo_is_foreseen_as_it_was_measured(tmp_path: Path) -> None:
    assert look(tmp_path).total_seconds == pytest.approx(188, rel=0.2)
    assert expected_gib(DEMO, Settings()) == pytest.approx(1.7, rel=0.1)


def test_what_costs_more_is_foreseen_to_cost_more() -> None:
    usual = expected_seconds(DEMO, Settings(), 2_600)
    assert expected_seconds(DEMO, Settings(), 0)["embed_text"] < usual["embed_text"] / 10
    longer = load_settings(None, ("hgnn.max_steps=400", "towers.min_steps=400"))
    slow = expected_seconds(DEMO, longer, 2_600)
    assert slow["train_hgnn"] > 1.5 * usual["train_hgnn"]
    assert slow["train_towers"] > 1.5 * usual["train_towers"]
    bare = load_settings(None, ("evaluation.baselines=false",))
    assert expected_seconds(DEMO, bare, 2_600)["evaluate"] < 0.1 * usual["evaluate"]
    some = load_settings(None, ("evaluation.baselines=[-LightGCN, -HGNN with users]",))
    fewer = expected_seconds(DEMO, some, 2_600)["evaluate"]
    assert 0.1 * usual["evaluate"] < fewer < 0.6 * usual["evaluate"]
    large = replace(DEMO, titles=50_000, items=80_000)
    assert expected_gib(large, Settings()) > 50 > 2 > expected_gib(large, bare)
    # A mixture stands on its model, whether that is measured or not.
    for without, memory in (("[-EASE]", 50), ("[-EASE, -popularity + EASE]", 0)):
        left = load_settings(None, (f"evaluation.baselines={without}",))
        assert memory < expected_gib(large, left) < (2 if memory == 0 else 60)


def test_times_of_earlier_runs_in_the_folder_count_once_all_are_there(tmp_path: Path) -> None:
    steps = sorted({each.step for each in release_steps()})
    for step in steps[1:]:
        write_json(tmp_path / "steps" / f"{step}-ab12" / "entry.json", {"seconds": 1.0})
    assert (look(tmp_path).total_seconds or 0) > 100
    write_json(tmp_path / "steps" / f"{steps[0]}-ab12" / "entry.json", {"seconds": 1.0})
    assert look(tmp_path).total_seconds == 21
    write_json(tmp_path / "steps" / "train_hgnn-cd34" / "entry.json", {"seconds": 3.0})
    assert look(tmp_path).total_seconds == 23


def test_a_paragraph_says_all_of_it(tmp_path: Path) -> None:
    preflight, _ = look_ahead(
        DEMO, release_steps(), Settings(), root=tmp_path, texts=tmp_path / "text"
    )
    text = preflight.paragraph()
    for part in (
        "136,556 events of 4,318 users before 2025-06-16",
        "60% of whom have no audiobook yet (cold)",
        "Measures 1,221 users (256 of them cold) on the 14 days",
        "of which 14 lie inside the data",
        "about 3 minutes and 1.6 GiB of memory",
        "two cores",
    ):
        assert part in text


def test_times_are_no_more_exact_than_known() -> None:
    said = [words_of(seconds) for seconds in (0, 23, 61, 188, 89 * 60, 3 * 3600)]
    assert said == ["5 seconds", "25 seconds", "1 minute", "3 minutes", "89 minutes", "3.0 hours"]


def test_a_plan_passes_over_what_a_failed_training_leaves_out() -> None:
    trainings = further_seeds(Settings(), 2)
    plan = Plan(trial_steps(trainings), {"rank": 2.0}.get)
    assert [plan.arrive(each).number for each in ("check_tables", "train_hgnn")] == [1, 6]
    place = plan.arrive("build_graph", trainings[1].title)
    assert (place.number, place.title) == (10, f"{trainings[1].title}: co-listening graph")
    assert place.seconds_left is None
    assert plan.arrive("train_hgnn", "nobody's").total == 0
    assert plan.arrive("compare").number == len(plan.steps)


def test_what_is_left_is_reckoned_at_the_pace_of_the_machine() -> None:
    plan = Plan(release_steps(), dict.fromkeys((each.step for each in release_steps()), 10.0).get)
    place = plan.arrive("check_tables", "")
    assert place.seconds_left == 210
    plan.took(place, 30.0)
    assert plan.arrive("embed_text", "").seconds_left == 3 * 200
    # What was found finished says nothing of the pace.
    assert plan.arrive("build_features", "").seconds_left == 3 * 190
    assert plan.total_seconds == 3 * 210
