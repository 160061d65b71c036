"""Prometheus itself, on a service that answers: what rules and dashboards ask for is there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psutil
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from colisten.index import open_index
from colisten.json_files import write_json
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from k8s.checks.queries import Query, unknown
from tests.browser import browser
from tests.conftest import CUT, ServedHome
from tests.k8s.monitoring.manifests import (
    alert_queries,
    as_asked,
    groups,
    panel_queries,
    records,
    rules,
)
from tests.k8s.monitoring.tools import tool
from tests.serving.conftest import Service, free_port, ready, start, stop
from tests.tab import tab

pytestmark = pytest.mark.slow
SCRAPES_SECONDS = 20
OUTAGE_SECONDS = 15
SHELVES = "endpoint=~'/v1/recommend.*'"
INTERVAL = "10s"


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes a service every second."""

    url: str

    def get(self, path: str, **asked: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=asked, timeout=30).json()
        assert answer["status"] == "success", answer
        return answer["data"]


@pytest.fixture(scope="module")
def service(served_home: ServedHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two workers on an index, a log of what is shown, and a drift report."""
    folder = tmp_path_factory.mktemp("monitored")
    home = ServedHome(folder / "out", served_home.ids)
    shutil.copytree(served_home.folder, home.folder)
    figures = {"until": CUT.isoformat(), "columns": {"age": 0.2, "country": 0.6}, "left_out": []}
    write_json(home.folder / "reports" / "drift.json", {**figures, "drifted": ["country"]})
    begun = start(home, folder / "log", "serving.exposures=true", workers=2)
    yield begun
    stop(begun)


def ask(service: Service, *, stored: int = 200) -> None:
    """What makes every counter count: shelves of the known, of others, none, events, a refusal.

    Args:
        service: Which is asked.
        stored: Status of an event that may be kept.
    """
    now = datetime.now(UTC).isoformat()
    for at in range(1, 7):
        service.post("/v1/recommend", user_id=f"u{at:04d}", k=5)
    service.post("/v1/recommend", user_id="nobody that is known")
    service.post("/v1/recommend", user_id="u0001", language="fi")
    service.post("/v1/recommend:batch", requests=[{"user_id": "u0002"}, {"user_id": "u0003"}])
    event = {"user_id": "u0001", "item_id": "a001", "item_type": "audiobook", "signal": "preview"}
    assert service.post("/v1/events", **event, timestamp=now).status_code == stored
    service.post("/v1/events", **{**event, "signal": "hum"}, timestamp=now)
    httpx.get(f"{service.url}/v1/release", headers={"Host": "elsewhere.example"}, timeout=30)


def workers(service: Service) -> list[int]:
    """The processes that answer."""
    return [
        child.pid
        for child in psutil.Process(service.process.pid).children()
        if "_bentoml_impl.worker.service" in " ".join(child.cmdline())
    ]


def asking(service: Service, seconds: float, *, stored: int = 200) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ask(service, stored=stored)
        time.sleep(1)


@pytest.fixture(scope="module")
def prometheus(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Its server, after a while in which a release was promoted too."""
    program = tool("prometheus", "prometheus")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "rules.yml").write_text(yaml.safe_dump(groups()))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {
                "job_name": "colisten",
                "static_configs": [{"targets": [service.url.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        asking(service, SCRAPES_SECONDS / 2)
        with open_index(service.home.folder, IndexSettings(backend="milvus")) as index:
            ReleaseStore(service.home.folder).promote(service.home.ids[1], index)
        asking(service, SCRAPES_SECONDS / 2)
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def exported(exposition: str) -> dict[str, set[str]]:
    """What the text of /metrics has samples of, each with its labels."""
    found = {"up": set[str]()}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_what_rules_and_dashboards_name_is_exported_by_a_live_service(service: Service) -> None:
    for _ in range(4):
        ask(service)
    time.sleep(3)  # a look of each worker at its parts
    live = exported(service.get("/metrics").text)
    assert [*unknown([*alert_queries(), *panel_queries()], live, records())] == []
    planted = Query("Planted", "colisten_vectors_total")  # of a Triton server, which is not there
    assert [*unknown([planted], live, records())] != []


def test_every_query_of_a_dashboard_finds_data(prometheus: Prometheus) -> None:
    empty = [
        query.where
        for query in panel_queries()
        if not prometheus.get("query", query=as_asked(query, INTERVAL))["result"]
    ]
    assert empty == []
    assert not prometheus.get("query", query="sum(rate(colisten_shelves_emtpy_total[10s]))")[
        "result"
    ]


def test_every_rule_is_evaluated_and_a_healthy_service_alerts_nobody(
    prometheus: Prometheus,
) -> None:
    found = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(found) == len(rules())
    assert [rule["name"] for rule in found if rule["health"] != "ok"] == []
    state = {rule["name"]: rule["state"] for rule in found if rule["type"] == "alerting"}
    # The world of the tests ended in 2025, and its only service is one pod.
    old = {"ColistenFeaturesStale", "ColistenDrift", "ColistenDriftUnwatched", "ColistenFewReady"}
    asked = {"ColistenEmptyShelves"}  # of twelve shelves one is asked for in a language of none
    assert {name for name, one in state.items() if one == "firing"} == set()
    assert {name for name, one in state.items() if one == "pending"} <= old | asked


def test_gauges_say_what_is_so(service: Service, prometheus: Prometheus) -> None:
    def value(query: str) -> float:
        (one,) = prometheus.get("query", query=query)["result"]
        return float(one["value"][1])

    assert value("colisten_workers") == value("colisten_workers_meant") == 2
    assert value("sum(colisten_requests_in_progress)") == 0
    assert value('colisten_release_timestamp_seconds{of="cut"}') == CUT.timestamp()
    assert value('time() - colisten_release_timestamp_seconds{of="made"}') < 3600
    assert value("time() - colisten_event_timestamp_seconds") < 60
    items = value('colisten_index_items{of="index"}')
    assert items == value('colisten_index_items{of="release"}') == 2 * 40
    assert value('colisten_drift_columns{outcome="drifted"}') == 1
    assert value("colisten_drift_timestamp_seconds") == CUT.timestamp()


def test_an_outage_without_an_error_pages_somebody(
    service: Service, prometheus: Prometheus, tmp_path: Path
) -> None:
    def value(query: str) -> float:
        return sum(float(one["value"][1]) for one in prometheus.get("query", query=query)["result"])

    features, away = service.home.folder / "features", service.home.folder / "away"
    features.rename(away)
    try:
        time.sleep(1)
        asking(service, OUTAGE_SECONDS, stored=503)
        assert value('sum(increase(colisten_shelf_quality_total{quality="popular"}[10s]))') > 0
        assert value(f"sum(colisten_requests_total{{{SHELVES}, status!~'200'}})") == 0
        assert value('ALERTS{alertname="ColistenPersonalBurnsFast", alertstate="firing"}') == 1
        assert value('ALERTS{alertname=~"ColistenAvailability.*"}') == 0
        if shutil.which("chromium"):
            shown = "sum by (quality) (rate(colisten_shelf_quality_total[10s]))"
            with browser(tmp_path / "profile") as chromium, tab(chromium, height=960) as page:
                page.open(f"{prometheus.url}/classic/graph?{graph(shown)}")
                page.until("document.querySelectorAll('.legend .line').length >= 3")
                assert "popular" in page.text(".legend")
                (tmp_path / "outage.webp").write_bytes(page.picture(most=960))
    finally:
        away.rename(features)
    end = time.monotonic() + 60
    while not service.get("/v1/release").json()["parts"]["features"]["ok"]:
        assert time.monotonic() < end
        time.sleep(0.2)


def graph(query: str) -> str:
    """The part of an address that has Prometheus draw a query over the last minute."""
    drawn = {"g0.expr": query, "g0.range_input": "1m", "g0.tab": "0", "g0.step_input": "1"}
    return urlencode(drawn)


def test_gauges_of_killed_workers_go_and_what_they_stored_stays(
    service: Service, prometheus: Prometheus
) -> None:
    def samples() -> dict[str, float]:
        """Those without a label."""
        lines = service.get("/metrics").text.splitlines()
        named = [line.split() for line in lines if line.startswith("colisten_") and "{" not in line]
        return {name: float(value) for name, value in named}

    before, killed = samples()["colisten_event_timestamp_seconds"], workers(service)
    assert len(killed) == 2
    for one in killed:
        os.kill(one, signal.SIGKILL)
    ready(service)
    end = time.monotonic() + 60
    while samples()["colisten_workers"] < 2 and time.monotonic() < end:
        time.sleep(0.5)
    assert set(workers(service)).isdisjoint(killed)
    now = samples()
    assert now["colisten_workers"] == now["colisten_workers_meant"] == 2
    assert now["colisten_event_timestamp_seconds"] == before
    ask(service)
    assert samples()["colisten_event_timestamp_seconds"] > before
