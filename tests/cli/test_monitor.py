"""Alerts at the shell: exit codes, JSON, a webhook that hears each thing once, a retraining."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from colisten import webhook
from colisten.cli import app
from colisten.cli.app import answer
from colisten.monitoring import alerts
from colisten.monitoring.exposition import exposition
from colisten.settings.alerts import DEFAULT_RULES, load_rules
from colisten.variables import WEBHOOK
from tests.hostile import VALUES
from tests.inbox import Inbox, opened_inbox
from tests.monitoring.reports_made import START, drift_figures, write_report

NOW = START + timedelta(days=2, hours=5)
RETRAIN = """
rules:
  - {name: taste, figure: causes.*.cause, comparison: in, threshold: [taste], then: retrain}
retrain: {data: tables, window_days: 14, wait_hours: 24}
"""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "utc_now", lambda: NOW)
    monkeypatch.setattr(webhook, "_WAIT_SECONDS", 0.0)
    monkeypatch.delenv(WEBHOOK, raising=False)


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with opened_inbox() as server:
        monkeypatch.setenv(WEBHOOK, server.url)
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_report(tmp_path / "out", drift_figures(1))
    return tmp_path / "out"


def test_the_exit_code_says_what_the_severity_asks_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = ["monitor", "check", "--out", str(home)]
    assert answer(check) == 0
    write_report(home, drift_figures(2, "taste"))
    assert answer([*check, "--fail-on", "page"]) == 0
    capsys.readouterr()
    assert answer(check) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("colisten: ReportError: drift: ")
    write_report(home, drift_figures(2, "nulls"))
    assert answer([*check, "--fail-on", "page"]) == 1
    assert answer([*check, "--fail-on", "pgae"]) == 2


def test_the_document_and_the_file_say_the_same(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_report(home, drift_figures(2, "nulls"))
    assert answer(["monitor", "check", "--out", str(home), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    kept = json.loads((home / "monitor" / "alerts.json").read_text())
    assert said["alerts"] == kept["alerts"]
    assert said["firing"] == kept["firing"] == 2
    assert said["checked"] == NOW.isoformat()


def test_what_is_new_and_what_is_over_is_posted_once(home: Path, inbox: Inbox) -> None:
    check = ["monitor", "check", "--out", str(home)]
    assert answer(check) == 0
    assert inbox.posted == []
    write_report(home, drift_figures(2, "nulls"))
    assert [answer(check), answer(check)] == [1, 1]
    (posted,) = inbox.posted
    assert [one["name"] for one in posted["firing"]] == ["drift_of_inputs", "drift"]
    assert "drift_of_inputs" in posted["text"]
    write_report(home, drift_figures(3))
    assert [answer(check), answer(check)] == [0, 0]
    assert [one["over"] for one in inbox.posted[1:]] == [["drift_of_inputs", "drift"]]


def test_what_nobody_heard_is_posted_again_and_is_a_failure(home: Path, inbox: Inbox) -> None:
    check = ["monitor", "check", "--out", str(home), "--fail-on", "page"]
    write_report(home, drift_figures(2, "taste"))
    inbox.statuses = [500]
    assert answer(check) == 1
    inbox.posted.clear()
    inbox.statuses = [200]
    assert answer(check) == 0
    assert len(inbox.posted) == 1


def test_a_retraining_is_said_and_started_once_when_asked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inbox: Inbox
) -> None:
    (tmp_path / "alerts.yaml").write_text(RETRAIN)
    started: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        started.append(arguments)
        return 0

    check = ["monitor", "check", "--rules", str(tmp_path / "alerts.yaml"), "--out", str(home)]
    answers = [answer(check)]
    monkeypatch.setattr(app, "answer", run)
    write_report(home, drift_figures(2, "taste"))
    answers += [answer(check), answer([*check, "--start"]), answer([*check, "--start"])]
    assert answers == [0, 1, 1, 1]
    command = ["run", "--data", "tables", "--cut", "2026-01-03", "--out", str(home)]
    assert started == [[*command, "--window-days", "14"]]
    told = [one["started"] for one in inbox.posted if one["started"]]
    assert told == ["colisten " + " ".join(started[0])]
    monkeypatch.setattr(alerts, "utc_now", lambda: NOW + timedelta(hours=24))
    answer([*check, "--start"])
    assert len(started) == 2


def test_a_cluster_is_asked_by_its_own_command(tmp_path: Path, home: Path) -> None:
    text = RETRAIN.replace("wait_hours: 24", "cluster: cluster.yaml")
    (tmp_path / "alerts.yaml").write_text(text)
    write_report(home, drift_figures(2, "taste"))
    check = ["monitor", "check", "--rules", str(tmp_path / "alerts.yaml"), "--out", str(home)]
    # The file of the cluster is not there: its command says so, and the check has failed anyhow.
    assert answer([*check, "--start"]) == 2


def test_prometheus_reads_every_alert_whatever_it_is_called(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "metrics" / "colisten.prom"
    answer(["monitor", "check", "--out", str(home), "--metrics", str(file)])
    families = {one.name: one for one in text_string_to_metric_families(file.read_text())}
    firing = families["colisten_alert_firing"].samples
    assert {one.labels["alert"] for one in firing} >= {"drift", "drift_stale", "gate"}
    assert not any(one.value for one in firing)
    (moment,) = families["colisten_alerts_checked_timestamp_seconds"].samples
    assert moment.value == NOW.timestamp()
    hostile = [
        alerts.Alert(f"{at} {value}", "drift", "page", "firing", "x")
        for at, value in enumerate(VALUES)
    ]
    families = {
        one.name: one
        for one in text_string_to_metric_families(exposition(hostile, datetime.now(UTC)))
    }
    assert len(families["colisten_alert_firing"].samples) == len(VALUES)


def test_the_rules_to_start_from_are_a_file_of_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["monitor", "rules"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "alerts.yaml").write_text(text)
    rules = load_rules(tmp_path / "alerts.yaml")
    assert rules.rules == DEFAULT_RULES.rules
    assert rules.oldest_days == DEFAULT_RULES.oldest_days
    assert answer(["monitor", "rules", "--json"]) == 0
    tree: Any = yaml.safe_load(text)
    assert json.loads(capsys.readouterr().out) == tree


def test_a_folder_without_reports_is_an_alert_and_no_folder_is_refused(tmp_path: Path) -> None:
    assert answer(["monitor", "check", "--out", str(tmp_path)]) == 1
    for command in ("check", "fill", "ui"):
        assert answer(["monitor", command, "--out", str(tmp_path / "none")]) == 2
