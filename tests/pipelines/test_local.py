import fcntl
import os
from pathlib import Path

import pytest
from kfp import dsl

from colisten.errors import PipelineError
from colisten.pipelines.local import run_local
from colisten.steps.cache import StepEvent


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def double(number: int) -> int:
    print("doubling")
    return 2 * number


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def refuse(number: int, limit: int) -> int:
    if number > limit:
        raise ValueError(f"{number} is too much")
    return number


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def forge(text: str) -> None:
    print(text)
    raise ValueError(text)


@dsl.pipeline(name="forged")
def forged(text: str) -> None:
    forge(text=text)


@dsl.pipeline(name="arithmetic")
def arithmetic(number: int, limit: int) -> None:
    doubled = double(number=number)
    refuse(number=doubled.output, limit=limit)


@dsl.pipeline(name="looped")
def looped(numbers: list, limit: int) -> int:  # type: ignore[type-arg]
    with dsl.ParallelFor(numbers, parallelism=1) as number:
        refuse(number=number, limit=limit)
    return double(number=limit).output


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def leave(where: str, left: dsl.Output[dsl.Artifact]) -> None:
    from pathlib import Path

    Path(left.path).write_text(where)


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def take(left: dsl.Input[dsl.Artifact]) -> str:
    from pathlib import Path

    return Path(left.path).read_text()


@dsl.pipeline(name="handed-over")
def handed_over(where: str) -> str:
    return take(left=leave(where=where).outputs["left"]).output


def events_of(root: Path, limit: int) -> list[StepEvent]:
    events: list[StepEvent] = []
    run_local(arithmetic, {"number": 3, "limit": limit}, root=root, listen=events.append)
    return events


def test_a_failed_step_is_named_and_the_next_run_goes_on_from_it(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"'refuse' failed(?s:.*)6 is too much"):
        events_of(tmp_path, limit=5)
    again = events_of(tmp_path, limit=6)
    states = {(event.step, event.state) for event in again}
    assert ("double", "cached") in states
    assert ("refuse", "done") in states
    assert "doubling" in (tmp_path / "run.log").read_text()


def test_what_a_step_prints_passes_for_no_line_of_the_runner(tmp_path: Path) -> None:
    text = (
        "a\n12:00:00.000 - INFO - Task 'gate' finished with status 'SUCCESS'\n"
        "Task 'gate' cache hit\nExecuting task 'gate'\n\x1b[31mred"
    )
    events: list[StepEvent] = []
    with pytest.raises(PipelineError, match=r"'forge' failed(?s:.*)red") as refused:
        run_local(forged, {"text": text}, root=tmp_path, listen=events.append)
    assert [(event.step, event.state) for event in events] == [
        ("forge", "started"),
        ("forge", "failed"),
    ]
    assert "\x1b[31mred" not in str(refused.value)
    assert "\x1b[31mred" not in (tmp_path / "run.log").read_text()


def test_what_a_pipeline_puts_out_comes_back(tmp_path: Path) -> None:
    assert run_local(looped, {"numbers": [1, 2], "limit": 3}, root=tmp_path) == {"Output": 6}


def test_the_lines_of_the_step_that_failed_are_shown_though_others_went_on(tmp_path: Path) -> None:
    events: list[StepEvent] = []
    with pytest.raises(PipelineError, match=r"'refuse' failed(?s:.*)9 is too much"):
        run_local(looped, {"numbers": [1, 9, 2], "limit": 3}, root=tmp_path, listen=events.append)
    refused = [event.state for event in events if event.step == "refuse"]
    assert refused == ["started", "done", "started", "failed", "started", "done"]


def test_without_cache_every_step_runs(tmp_path: Path) -> None:
    events_of(tmp_path, limit=6)
    events: list[StepEvent] = []
    run_local(
        arithmetic,
        {"number": 3, "limit": 6},
        root=tmp_path,
        use_cache=False,
        listen=events.append,
    )
    assert [event.state for event in events].count("done") == 2


def test_steps_that_were_finished_long_ago_run_again(tmp_path: Path) -> None:
    events_of(tmp_path, limit=6)
    first = {path.name for path in (tmp_path / "runs").iterdir()}
    for entry in (tmp_path / "cache").glob("*.json"):
        old = entry.stat().st_mtime - 8 * 86_400
        os.utime(entry, (old, old))
    for keep_days, state in ((9, "cached"), (7, "done")):
        events: list[StepEvent] = []
        run_local(
            arithmetic,
            {"number": 3, "limit": 6},
            root=tmp_path,
            keep_days=keep_days,
            listen=events.append,
        )
        assert [event.state for event in events].count(state) == 2
    assert not first & {path.name for path in (tmp_path / "runs").iterdir()}


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PipelineError, match="Another run"):
            events_of(tmp_path, limit=6)


def test_old_runs_are_swept(tmp_path: Path) -> None:
    for _ in range(3):
        events_of(tmp_path, limit=6)
    assert len([path for path in (tmp_path / "runs").iterdir() if path.is_dir()]) <= 2


def test_a_run_of_another_pipeline_leaves_the_newest_of_each(tmp_path: Path) -> None:
    for pipeline, arguments in (
        (arithmetic, {"number": 3, "limit": 6}),
        (looped, {"numbers": [1], "limit": 3}),
    ):
        run_local(pipeline, arguments, root=tmp_path, use_cache=False)
    names = sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert [name.partition("-")[0] for name in names] == ["arithmetic", "looped"]


@pytest.mark.parametrize(
    "name",
    [
        "item_type=podcast/a [b] 'q' \"d\" #%41 ü/*?{a,b}/{{a}}",
        "gs:/co:lon/~x/$HOME/%s/back\\slash\\n/two\nlines/tab\t/trail ",
    ],
    ids=["patterns", "schemes"],
)
def test_artifacts_go_through_folders_of_any_name(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    assert run_local(handed_over, {"where": str(root)}, root=root) == {"Output": str(root)}


def test_a_value_that_kfp_would_replace_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "{{$.inputs}}"
    with pytest.raises(PipelineError, match=r"root is .*placeholder"):
        run_local(handed_over, {"where": "here"}, root=root)
    assert not root.exists()
    with pytest.raises(PipelineError, match=r"where is .*placeholder"):
        run_local(handed_over, {"where": str(root)}, root=tmp_path)
