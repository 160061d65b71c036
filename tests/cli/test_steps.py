"""What a person sees of a run: where it is, what is left, and nothing that is not for them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.progress import Progress

from colisten.cli.ending import Ended, going_on, raise_if_asked
from colisten.cli.steps import Steps, _live, _StepLog, drawn_lines, shown_steps
from colisten.progress import Progressed, track
from colisten.steps.cache import StepEvent
from colisten.steps.plan import Plan, release_steps
from colisten.terminal import Terminal


def test_a_line_says_which_step_of_how_many(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(release_steps())
    with shown_steps(tmp_path) as listen:
        listen(StepEvent("check_tables", "preflight", text="Measures 12 users."))
        listen(StepEvent("check_tables", "notice", text="No users table."))
        for step, part, state in (
            ("check_tables", "", "cached"),
            ("train_hgnn", "backtest", "started"),
        ):
            place = plan.arrive(step, part)
            listen(StepEvent(step, state, part=part, place=place))
        print("for the log")
        list(track(range(3), "training HGNN"))
        listen(StepEvent("train_hgnn", "done", 2.5, "backtest", place=place))
    out, shown = capfd.readouterr()
    assert out == ""
    assert [line.rstrip() for line in shown.splitlines() if line.strip()] == [
        "Measures 12 users.",
        "Notice: No users table.",
        "  1/21 check the tables                   unchanged",
        "  6/21 backtest: train HGNN               done    2.5 s",
    ]
    assert "for the log" in (tmp_path / "steps/run.log").read_text()


def test_a_terminal_shows_time_left_and_the_loop_inside(tmp_path: Path) -> None:
    stream = io.StringIO()
    console = Terminal(file=stream, force_terminal=True, width=120)
    seconds = dict.fromkeys({each.step for each in release_steps()}, 60.0)
    plan = Plan(release_steps(), seconds.get)
    bar: Progress = _live(stream)
    steps = Steps(bar, _StepLog(tmp_path / "run.log"))
    place = plan.arrive("train_hgnn", "backtest")
    steps.listen(StepEvent("train_hgnn", "started", part="backtest", place=place))
    steps.watch(Progressed("training HGNN", 30, 200, "900 pairs/s"))
    steps.log.end_step()
    console.print(bar.get_renderable())
    shown = stream.getvalue()
    assert "step 6 of 21, backtest: train HGNN" in shown
    assert "about 16 minutes left" in shown
    assert "30 of 200" in shown
    assert "900 pairs/s" in shown


def test_a_runner_of_processes_is_drawn_by_the_names_of_its_steps() -> None:
    stream = io.StringIO()
    listen = drawn_lines(Terminal(file=stream, width=120), Plan(release_steps()))
    for name, state in (
        ("check-tables", "started"),
        ("check-tables", "cached"),
        ("train-towers", "started"),
        ("train-towers-2", "started"),
        ("train-towers", "done"),
        ("train-towers-2", "failed"),
    ):
        listen(StepEvent(name, state, 1.0))
    assert [line.split() for line in stream.getvalue().splitlines()] == [
        ["1/21", "check", "the", "tables", "started"],
        ["1/21", "check", "the", "tables", "cached"],
        ["8/21", "train", "towers", "started"],
        ["9/21", "train", "towers", "started"],
        ["8/21", "train", "towers", "done", "1.0", "s"],
        ["9/21", "train", "towers", "failed", "1.0", "s"],
    ]


def test_who_ends_it_is_told_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/bin/colisten", "run", "--out", "my out"])
    with pytest.raises(RuntimeError), going_on():
        raise RuntimeError("Query interrupted")
    monkeypatch.setattr("colisten.cli.ending._asked.number", 2)
    with pytest.raises(Ended, match=r"ended by SIGINT; .* to go on: colisten run --out 'my out'$"):
        raise_if_asked()
    with going_on():
        pass
    with pytest.raises(Ended, match=r"ended by SIGINT$"):
        raise_if_asked()
