"""Evidently's workspace: a snapshot a run, no more than are kept, and nothing in it that runs."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from evidently.core.report import Snapshot
from evidently.ui.service.storage.local.base import LocalState

from colisten.json_files import read_json
from colisten.monitoring.harmless import harmless
from colisten.monitoring.ui import ReportsUi
from colisten.monitoring.workspace import WORKSPACE, fill_workspace, project_id
from colisten.settings.alerts import DEFAULT_RULES
from tests.hostile import SCRIPTS, VALUES
from tests.monitoring.reports_made import drift_figures, write_report


def opened(home: Path) -> Any:
    """The workspace, read by Evidently itself as its UI reads it."""
    return LocalState.load(str(home / WORKSPACE), None)


def snapshots(home: Path) -> list[Any]:
    return sorted(opened(home).snapshots[project_id("drift")].values(), key=lambda s: s.timestamp)


def test_every_run_is_there_once_and_goes_with_what_is_kept(tmp_path: Path) -> None:
    for day in range(3):
        write_report(tmp_path, drift_figures(day), keep=3)
        write_report(tmp_path, {"split_is_sound": True}, "experiment")
    first = fill_workspace(tmp_path, DEFAULT_RULES)
    assert (first.added, first.removed) == (4, 0)
    again = fill_workspace(tmp_path, DEFAULT_RULES)
    assert (again.added, again.removed) == (0, 0)
    write_report(tmp_path, drift_figures(3), keep=3)
    later = fill_workspace(tmp_path, DEFAULT_RULES)
    assert (later.added, later.removed) == (1, 1)
    assert [one.timestamp.day for one in snapshots(tmp_path)] == [2, 3, 4]
    assert not list((tmp_path / WORKSPACE).rglob("*.partial"))
    # No row of anybody: all that a snapshot has is a number by name.
    assert not list((tmp_path / WORKSPACE).rglob("datasets"))


def test_figures_are_metrics_and_alerts_are_tests_that_fail(tmp_path: Path) -> None:
    write_report(tmp_path, drift_figures(0))
    write_report(tmp_path, drift_figures(1, "nulls"))
    fill_workspace(tmp_path, DEFAULT_RULES)
    quiet, moved = snapshots(tmp_path)
    values = {
        (value.metric_value_location.metric.params["figure"], metric.params["of"]): value.value
        for value in moved.metric_results.values()
        for metric in [value.metric_value_location.metric]
    }
    assert values["columns", "age"] == pytest.approx(0.11)
    assert values["spread.age", "high"] == 90.0
    assert values["spread.age", "median"] == 36.0
    failed = [
        [test.status.value for result in one.metric_results.values() for test in result.tests]
        for one in (quiet, moved)
    ]
    assert failed[0].count("FAIL") == 0
    # drift_of_inputs and drift.
    assert failed[1].count("FAIL") == 2


def test_an_unreadable_run_is_counted_and_the_others_are_shown(tmp_path: Path) -> None:
    for day in range(2):
        write_report(tmp_path, drift_figures(day))
    (tmp_path / "reports" / "runs" / "drift" / "torn.json").write_text("{")
    filled = fill_workspace(tmp_path, DEFAULT_RULES)
    assert (filled.added, filled.unreadable) == (2, 1)


def test_hostile_names_are_in_no_file_and_in_no_script(tmp_path: Path) -> None:
    """Every value as a column, as a cause and in the report's own words."""
    figures = drift_figures(0, *VALUES, summary=" ".join(SCRIPTS))
    figures["columns"] = {f"{value}{at}": 0.5 for at, value in enumerate(VALUES)}
    figures[SCRIPTS[0]] = 1
    write_report(tmp_path, figures)
    fill_workspace(tmp_path, DEFAULT_RULES)
    for file in (tmp_path / WORKSPACE).rglob("*.json"):
        assert not re.search(r"[<>&'`]", file.read_text())
        assert not _unlike(read_json(file))
    (snapshot,) = snapshots(tmp_path)
    columns = [
        result.metric_value_location.metric.params["of"]
        for result in snapshot.metric_results.values()
        if result.metric_value_location.metric.params["figure"] == "columns"
    ]
    assert len(set(columns)) == len(VALUES)
    # What Evidently writes as it is into a script, such as its own `save_html`.
    plain = tmp_path / "plain"
    write_report(plain, drift_figures(0))
    fill_workspace(plain, DEFAULT_RULES)
    scripts, its = (page_of(home).count("<script") for home in (tmp_path, plain))
    assert scripts == its


def page_of(home: Path) -> str:
    """The page that Evidently itself makes of a snapshot."""
    (snapshot,) = snapshots(home)
    page: str = Snapshot.load_dict(json.loads(snapshot.json())).get_html_str(as_iframe=False)
    return page


def _unlike(tree: Any) -> list[str]:
    """Texts of a tree that are not harmless."""
    if isinstance(tree, str):
        return [] if harmless(tree) == tree else [tree]
    if isinstance(tree, dict):
        return [one for pair in tree.items() for each in pair for one in _unlike(each)]
    return [one for each in tree for one in _unlike(each)] if isinstance(tree, list) else []


def asked(app: Any, path: str, *, method: str = "GET", host: str = "127.0.0.1:8000") -> Any:
    """Status, headers and body of the UI's answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"host", host.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    asyncio.run(app(scope, receive, send))
    body = b"".join(one.get("body", b"") for one in sent)
    return sent[0]["status"], dict(sent[0]["headers"]), body


def test_the_ui_is_for_reading_on_this_machine(tmp_path: Path) -> None:
    write_report(tmp_path, drift_figures(0))
    app = ReportsUi(tmp_path, DEFAULT_RULES, {"127.0.0.1", "localhost", "[::1]"})
    project = f"/api/projects/{project_id('drift')}"
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.json")}
    status, headers, _ = asked(app, "/")
    assert status == 200
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert b"unsafe-eval" not in headers[b"content-security-policy"]
    assert asked(app, f"{project}/snapshots", host="[::1]:8000")[0] == 200
    for host in ("evil.example", "127.0.0.1.evil.example:8000", "", "localhost:8000@evil.example"):
        assert asked(app, "/api/projects", host=host)[0] == 421
    (snapshot,) = (tmp_path / WORKSPACE).rglob("snapshots/*.json")
    for method, path in (
        ("DELETE", project),
        ("DELETE", f"{project}/{snapshot.stem}"),
        ("POST", "/api/v2/projects/"),
        ("POST", f"/api/v2/dashboards/{project_id('drift')}"),
        ("PATCH", f"/api/v2/projects/{project_id('drift')}"),
        ("PUT", project),
        ("GET", f"{project}/{snapshot.stem}/download"),
    ):
        assert asked(app, path, method=method)[0] == 405
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.json")} == before


def test_a_ui_that_is_open_shows_what_was_reported_since(tmp_path: Path) -> None:
    for day in range(2):
        write_report(tmp_path, drift_figures(day), keep=2)
    app = ReportsUi(tmp_path, DEFAULT_RULES, None)
    path = f"/api/projects/{project_id('drift')}/snapshots"

    def days() -> list[str]:
        return sorted(one["timestamp"][:10] for one in json.loads(asked(app, path)[2]))

    assert days() == ["2026-01-01", "2026-01-02"]
    assert not app.refresh()
    write_report(tmp_path, drift_figures(2), keep=2)
    assert app.refresh()
    assert days() == ["2026-01-02", "2026-01-03"]
