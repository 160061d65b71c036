"""A run that failed says which step and why, once, to an address that keeps it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from kfp import dsl

from colisten.components.failures import forget, note, noted
from colisten.components.launch import launch
from colisten.components.notify.component import notify
from colisten.components.notify.message import message, tell
from colisten.errors import ColistenError, PipelineError, TrainingError
from colisten.pipelines.local import run_local
from colisten.settings.tree import Settings
from colisten.steps.registry import step_named
from colisten.steps.settings import settings_json
from colisten.variables import FAILURES, RUN, WEBHOOK
from tests.inbox import Inbox, opened_inbox
from tests.s3_server import VARIABLES, make_bucket, s3_server


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with opened_inbox() as server:
        monkeypatch.setenv(WEBHOOK, server.url)
        yield server


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run's failures."""
    monkeypatch.setenv(FAILURES, str(tmp_path))
    monkeypatch.setenv(RUN, "5f1c-2")
    return tmp_path / "5f1c-2"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URL of a server with a bucket named `homes`."""
    with s3_server() as url:
        make_bucket(url, "homes")
        yield url


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where steps of a run leave why they failed."""
    if request.param == "bucket":
        for name, value in VARIABLES.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("bucket"))
        monkeypatch.setenv(FAILURES, "s3://homes/audiobooks/failures")


def status(state: str = "FAILED", error: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        state=state,
        pipeline_job_resource_name="run-x",
        pipeline_task_name="exit-handler-1",
        error_message=error,
    )


def test_step_and_reason_of_a_failed_run_are_posted_once(inbox: Inbox, run: Path) -> None:
    note("train_towers", TrainingError("The loss is nan."))
    tell("/colisten", status())
    (posted,) = inbox.posted
    assert posted == {
        "text": "colisten run 5f1c-2 failed in train_towers: TrainingError: The loss is nan.",
        "run": "5f1c-2",
        "state": "FAILED",
        "home": "/colisten",
        "failures": [{"step": "train_towers", "reason": "TrainingError: The loss is nan."}],
    }
    tell("/colisten", status("SUCCEEDED"))
    assert len(inbox.posted) == 1


@pytest.mark.parametrize("answer", [500, 302])
def test_an_address_that_refuses_is_asked_once_and_fails_nothing(
    inbox: Inbox, run: Path, answer: int
) -> None:
    inbox.statuses = [answer]
    tell("/colisten", status(error="OOMKilled"))
    (posted,) = inbox.posted
    assert posted["failures"] == [{"step": "exit-handler-1", "reason": "OOMKilled"}]


@pytest.mark.parametrize(
    "address",
    ["", "http://example.invalid/", "http://127.0.0.1:9/x", "nonsense", "https://[", "x:"],
)
def test_an_address_out_of_reach_or_in_the_open_fails_nothing(
    run: Path, monkeypatch: pytest.MonkeyPatch, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(WEBHOOK, address)
    tell("/colisten", status())
    said = capsys.readouterr()
    assert not address or address not in said.out + said.err


@pytest.mark.usefixtures("place")
def test_a_step_that_fails_says_why_and_one_that_then_succeeds_takes_it_back(run: Path) -> None:
    arguments = {
        "settings": settings_json(step_named("gate"), Settings()),
        "table": run / "nothing",
        "home": "x",
        "decision": run / "decision",
        "metrics": run / "metrics",
    }
    with pytest.raises(ColistenError):
        launch("gate", arguments)
    (said,) = noted()
    assert said["step"] == "gate"
    note("gate", TrainingError("Again."))
    assert noted() == [{"step": "gate", "reason": "TrainingError: Again."}]
    forget("gate")
    forget("gate")
    assert noted() == []


def test_a_bucket_out_of_reach_keeps_no_step_from_failing_as_it_does(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    for place in ("s3://homes/failures", "s3://"):
        monkeypatch.setenv(FAILURES, place)
        note("gate", TrainingError("The loss is nan."))
        forget("gate")
        assert noted() == []


def test_without_a_run_or_with_an_odd_name_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAILURES, str(tmp_path))
    for name in ("", "../x", "/etc", "a/b"):
        monkeypatch.setenv(RUN, name)
        note("gate", ValueError("x"))
        assert noted() == []
    assert list(tmp_path.iterdir()) == []
    assert message("h", status())["failures"][0]["reason"] == "see the run's page"  # type: ignore[index]


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def refuse() -> None:
    from colisten.components.failures import note

    note("refuse", ValueError("too much"))
    raise ValueError("too much")


@dsl.pipeline(name="told")
def told(home: str) -> None:
    with dsl.ExitHandler(exit_task=notify(home=home), name="run"):
        refuse()


def test_the_exit_handler_of_a_pipeline_tells_it(inbox: Inbox, run: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="too much"):
        run_local(told, {"home": "/colisten"}, root=tmp_path / "root")
    (posted,) = inbox.posted
    assert posted["failures"] == [{"step": "refuse", "reason": "ValueError: too much"}]
