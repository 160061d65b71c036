"""`colisten events push` judges an event as the service does, and says what became of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

import colisten.cli.app
import colisten.serving.runtime
from colisten.cli.events import app
from colisten.errors import ColistenError
from colisten.release.pointer import POINTER
from colisten.serving.environment import Environment
from colisten.serving.problems import Refused, body_fault
from colisten.serving.requests import EventRequest
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.feature_folders import live_features, online_db
from tests.serving.strange import STRANGE, make_strange_home, moments

MOMENT = moments(CUT + timedelta(days=1))
GOOD = {"--user": "u0060", "--item": "a030", "--type": "audiobook", "--signal": "stream"}


@dataclass(frozen=True)
class Told:
    """What a push came to."""

    code: int
    said: str


def push(out: Path, change: dict[str, str] | None = None) -> Told:
    """Push one event in this process; errors become exit codes as `colisten.cli.app` makes them."""
    options = {"--out": str(out), "--at": next(MOMENT).isoformat()} | GOOD | (change or {})
    arguments = [f"{name}={value}" for name, value in options.items()]
    result = CliRunner().invoke(app, ["push", *arguments])
    if isinstance(result.exception, ColistenError):
        return Told(result.exception.exit_code, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Told(result.exit_code, result.output)


@pytest.fixture(scope="module")
def home(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_strange_home(tiny_history, tmp_path_factory.mktemp("strange"), as_of=CUT)


@pytest.fixture(scope="module")
def runtime(home: Path) -> Iterator[Runtime]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(colisten.serving.runtime, "_PUSH_SECONDS", 30.0)
        patch.setattr("colisten.features.row_turns.PATIENCE_SECONDS", 20.0)
        opened = Runtime.open(Environment(home, load_settings(None, ("index.backend=exact",))))
    yield opened
    opened.close()


def test_an_event_is_stored_once(home: Path) -> None:
    again = {"--at": "2025-07-02T00:00:00+02:00"}
    assert push(home, again) == Told(0, "The stream of a030 is now in the user's online history.\n")
    assert (
        push(home, again).said == "The stream of a030 was already in the user's online history.\n"
    )


def test_an_item_of_another_type_is_refused(home: Path) -> None:
    told = push(home, {"--type": "podcast"})
    assert told.code == 2
    assert "of type audiobook, not podcast" in told.said


def test_a_title_that_the_release_lacks_is_stored_and_said_so(home: Path) -> None:
    told = push(home, {"--item": "a999"})
    assert told.code == 0
    assert "The live release does not have the item" in told.said


def test_without_a_live_release_it_is_said_that_nobody_could_tell(home: Path) -> None:
    pointer = home / "releases" / POINTER
    kept = pointer.read_bytes()
    pointer.unlink()
    try:
        told = push(home, {"--type": "podcast"})
    finally:
        pointer.write_bytes(kept)
    assert told.code == 0
    assert "No release is live" in told.said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--user": " "}, "user_id is empty or white space"),
        ({"--item": "\udc80"}, "item_id is not valid Unicode"),
        ({"--item": "\U0001f600" * 20_000}, "item_id is 80,000 bytes long"),
        ({"--type": "film"}, "The item_type 'film' is unknown. The nearest known one is"),
        ({"--signal": "like\n"}, r"The signal 'like\n' is unknown. The nearest known one is"),
        ({"--at": "1969-12-31T00:00:00Z"}, "--at '1969-12-31T00:00:00Z' is outside"),
        ({"--at": "0001-01-01T00:00:00+14:00"}, "is outside"),
        ({"--at": "2199-01-01T00:00:00Z"}, "lies in the future"),
        ({"--at": "2025-06-16"}, "has no time zone"),
        ({"--at": "\x1b[31m\udc80"}, "is no moment"),
        ({"--out": "/nowhere"}, "No feature store at /nowhere/features"),
    ],
)
def test_the_callers_fault_is_one_line_and_exit_code_2(
    home: Path, change: dict[str, str], words: str
) -> None:
    told = push(home, change)
    assert told.code == 2
    assert words in told.said
    assert told.said.isprintable()


def test_a_store_that_does_not_answer_is_exit_code_1(home: Path) -> None:
    store = online_db(live_features(home))
    kept = store.with_suffix(".kept")
    os.replace(store, kept)
    store.write_bytes(b"this is no database" * 1000)
    try:
        told = push(home)
    finally:
        os.replace(kept, store)
    assert told.code == 1
    assert told.said.startswith("The online store cannot take an event")


def test_a_pointer_that_cannot_be_read_is_exit_code_1(home: Path) -> None:
    pointer = home / "releases" / POINTER
    kept = pointer.read_bytes()
    pointer.write_text("{")
    try:
        told = push(home)
    finally:
        pointer.write_bytes(kept)
    assert told.code == 1


def test_the_command_ends_with_its_code_and_no_trace(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--out", str(home), "--user", "u", "--item", "a030", "--type", "podcast"]
    # The captured stream would be the log's beyond this test.
    monkeypatch.setattr(colisten.cli.app, "configure_logs", lambda: None)
    assert colisten.cli.app.answer(["events", "push", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("colisten: EventRefused: ")
    assert said.count("\n") == 1


TEXTS = st.one_of(
    st.sampled_from([*STRANGE[:-1], "a030", "p040", "a999", "u0061", "", " ", "\ud800"]),
    st.text(max_size=10),
)
EVENTS = st.fixed_dictionaries(
    {
        "user_id": TEXTS,
        "item_id": TEXTS,
        "item_type": st.sampled_from(["audiobook", "podcast", "podcast", "film"]),
        "signal": st.sampled_from(["stream", "follow", "like"]),
        "timestamp": st.one_of(
            st.none(),
            st.sampled_from(["1969-12-31T00:00:00Z", "2199-01-01T00:00:00Z", "2025-06-16", ""]),
            st.datetimes().map(lambda moment: f"{moment.isoformat()}+14:00"),
        ),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event=EVENTS)
def test_the_shell_and_the_service_say_the_same(
    home: Path, runtime: Runtime, event: dict[str, Any]
) -> None:
    event = event | {"timestamp": event["timestamp"] or next(MOMENT).isoformat()}
    names = {"user_id": "user", "item_id": "item", "item_type": "type", "timestamp": "at"}
    told = push(home, {f"--{names.get(key, key)}": value for key, value in event.items()})
    status, accepted, fault = 200, None, None
    try:
        accepted = runtime.push(EventRequest.model_validate_json(json.dumps(event)))
    except ValidationError as error:
        status, fault = 400, body_fault(error)
    except Refused as refused:
        status, fault = refused.status, refused.fault
    assert (told.code, status) in {(0, 200), (2, 400)}, told.said
    if fault is not None and fault.fields[0].field != "body":  # Such a body is no JSON.
        said = [one.message.replace("The moment '", "--at '") for one in fault.fields]
        assert any(sentence in told.said for sentence in said), (told.said, said)
    if accepted is not None:
        # The shell was first, so the service knows the event by what the store gives back.
        assert accepted.new is False
        assert accepted.known_item is ("does not have the item" not in told.said)
