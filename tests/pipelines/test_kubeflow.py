"""Runs submitted to, scheduled at and asked of a server that answers as Kubeflow's v2beta1 API.

No Kubeflow server can be had here: this one keeps experiments, runs and recurring runs in memory
and speaks the paths and fields of the API's documentation, no more.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from colisten.cli.app import answer
from colisten.errors import ConfigError, PipelineError
from colisten.json_files import parse_json, to_json
from colisten.pipelines.kubeflow import Kubeflow
from colisten.settings.cluster import Server

EXAMPLE = Path("docs/cluster.yaml")
TOKEN = "COLISTEN_KUBEFLOW_TOKEN"


class Api(BaseHTTPRequestHandler):
    """The few paths that are asked."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def _answer(self, method: str) -> None:
        server: Any = self.server
        length = int(self.headers.get("Content-Length") or 0)
        body = parse_json(self.rfile.read(length).decode()) if length else None
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/apis/v2beta1")
        server.asked.append((method, path, body, self.headers.get("Authorization")))
        if (method, path) in server.broken:
            return self._send(500, {"message": "the database is away"})
        kind = path.split("/")[1]
        kept = server.kept.setdefault(kind, {})
        if path == "/healthz":
            return self._send(200, {"multi_user": False})
        if method == "POST":
            key = {"experiments": "experiment_id", "runs": "run_id"}.get(kind, "recurring_run_id")
            made = {**(body or {}), key: f"{kind}-{len(server.asked)}"}
            kept[made[key]] = made
            return self._send(200, made)
        one = path.split("/")[2] if path.count("/") > 1 else None
        if one is None:
            wanted = parse_qs(parts.query).get("filter")
            named = parse_json(wanted[0])["predicates"][0]["stringValue"] if wanted else None
            field = {"recurringruns": "recurringRuns"}.get(kind, kind)
            found = [each for each in kept.values() if named in (None, each["display_name"])]
            return self._send(200, {field: found} if found else {})
        if one not in kept:
            return self._send(404, {"message": f"{one} not found"})
        if method == "DELETE":
            del kept[one]
            return self._send(200, {})
        return self._send(200, kept[one])

    def _send(self, code: int, document: dict[str, Any]) -> None:
        data = to_json(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.asked, server.kept, server.broken = [], {}, set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HOME", str(tmp_path))  # where kfp keeps what it was told last
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def file(api: Any, tmp_path: Path) -> Path:
    """The example's cluster, whose server is the one here."""
    tree = yaml.safe_load(EXAMPLE.read_text())
    tree["kubeflow"]["host"] = f"http://127.0.0.1:{api.server_port}"
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    code = answer(["pipeline", *arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err + said.out
    document: dict[str, Any] = parse_json(said.out)
    return document


def test_a_run_is_submitted_with_data_and_cut_alone(
    api: Any, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--cluster", str(file), "--source", "/colisten/tables")
    made = called(capsys, "submit", "monitor", *where, "--cut", "2025-06-16")
    (run,) = api.kept["runs"].values()
    assert made["run_id"] == run["run_id"]
    assert run["runtime_config"]["parameters"] == {
        "data": "/colisten/tables",
        "cut": "2025-06-16T00:00:00+00:00",
    }
    assert run["service_account"] == "colisten-pipelines"
    spec = run["pipeline_spec"]
    assert spec["pipeline_spec"]["pipelineInfo"]["name"] == "colisten-monitor"
    assert "exec-watch-drift" in to_json(spec["platform_spec"])
    (experiment,) = api.kept["experiments"].values()
    assert experiment["display_name"] == "colisten"


def test_a_schedule_can_be_said_twice_and_is_there_once(
    api: Any, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--cluster", str(file), "--source", "/t")
    for hour in ("2", "3"):
        called(capsys, "schedule", "monitor", *where, "--cron", f"0 0 {hour} * * *")
    (kept,) = api.kept["recurringruns"].values()
    assert kept["display_name"] == "colisten-monitor"
    assert kept["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * *"
    assert kept["runtime_config"]["parameters"]["cut"] == "[[ScheduledTime]]"
    assert (kept["max_concurrency"], kept["no_catchup"]) == (1, True)


def test_where_the_new_schedule_is_refused_the_old_one_stays(
    api: Any, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = (
        "schedule",
        "monitor",
        "--cluster",
        str(file),
        "--source",
        "/t",
        "--cron",
        "0 0 2 * * *",
    )
    called(capsys, *where)
    before = dict(api.kept["recurringruns"])
    api.broken.add(("POST", "/recurringruns"))
    assert answer(["pipeline", *where]) == 1
    assert "refused with 500: " in capsys.readouterr().err
    assert api.kept["recurringruns"] == before


def test_the_step_that_failed_is_named_as_far_as_kubeflow_says(
    api: Any, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.kept["runs"] = {
        "r1": {
            "run_id": "r1",
            "display_name": "colisten-retrain",
            "state": "FAILED",
            "run_details": {
                "task_details": [
                    {"display_name": "gate", "state": "SUCCEEDED"},
                    {"display_name": "publish", "state": "FAILED", "error": {"message": "OOM"}},
                ]
            },
        }
    }
    (run,) = called(capsys, "status", "r1", "--cluster", str(file))["runs"]
    assert (run["state"], run["failed"]) == (
        "FAILED",
        [{"name": "publish", "state": "FAILED", "error": "OOM"}],
    )
    (listed,) = called(capsys, "status", "--cluster", str(file))["runs"]
    assert re.search(r"/#/runs/details/r1$", listed["page"])
    assert answer(["pipeline", "status", "r2", "--cluster", str(file)]) == 1
    assert "404" in capsys.readouterr().err


def test_a_token_goes_where_nobody_between_reads_it(
    api: Any, file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "abc")
    called(capsys, "status", "--cluster", str(file))
    assert {each[3] for each in api.asked} == {"Bearer abc"}
    with pytest.raises(ConfigError, match="in the open"):
        Kubeflow(Server(host="http://kubeflow.example"))


def test_a_server_out_of_reach_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(PipelineError, match="Cannot reach Kubeflow Pipelines"):
        Kubeflow(Server(host="http://127.0.0.1:9")).runs()
