"""Dashboards have what a reader and Grafana need, and ask for what there is."""

from __future__ import annotations

import copy
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.checks.queries import NO_LABEL, NO_METRIC, board_queries, declared, unknown
from tests.k8s.monitoring.manifests import (
    DASHBOARDS,
    FOLDER,
    as_asked,
    dashboards,
    panel_queries,
    read_yaml,
    records,
)
from tests.k8s.monitoring.tools import promtool

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What the operator's Prometheus puts on every series of a ServiceMonitor.
OF_THE_OPERATOR = {"namespace", "service", "pod", "container", "endpoint", "job", "instance"}


def faults(board: dict[str, Any]) -> list[str]:
    """What is missing in a dashboard: a word for each, and where."""
    found = []
    variables = {one["name"]: one for one in board["templating"]["list"]}
    if variables.get("datasource", {}).get("query") != "prometheus":
        found.append("no-datasource-variable: the dashboard")
    numbers = Counter(panel["id"] for panel in board["panels"])
    places = Counter((panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"])
    for panel in board["panels"]:
        where = panel.get("title") or f"panel {panel['id']}"
        ids = Counter(target["refId"] for target in panel["targets"])
        wrong = {
            "no-title": not panel.get("title"),
            "no-description": not panel.get("description"),
            "no-unit": not panel["fieldConfig"]["defaults"].get("unit"),
            "no-query": not panel["targets"],
            "id-twice": numbers[panel["id"]] > 1,
            "place-twice": places[panel["gridPos"]["x"], panel["gridPos"]["y"]] > 1,
            "ref-twice": any(count > 1 for count in ids.values()),
            "other-datasource": any(
                one.get("datasource") != SOURCE for one in (panel, *panel["targets"])
            ),
            "no-legend": len(panel["targets"]) > 1
            and not all(target.get("legendFormat") for target in panel["targets"]),
        }
        found += [f"{fault}: {where}" for fault, is_so in wrong.items() if is_so]
        asked = " ".join(target["expr"] for target in panel["targets"])
        found += [
            f"no-variable: {where}: {name}"
            for name in {*re.findall(r"\$\{?(\w+)", asked)} - {"__rate_interval", *variables}
        ]
    return found


@pytest.mark.parametrize("name", sorted(dashboards()))
def test_a_dashboard_has_what_it_needs(name: str) -> None:
    assert faults(dashboards()[name]) == []


@pytest.mark.parametrize(
    ("fault", "path", "value"),
    [
        ("no-title", ("panels", 0, "title"), ""),
        ("no-unit", ("panels", 0, "fieldConfig", "defaults", "unit"), None),
        ("id-twice", ("panels", 0, "id"), 2),
        ("place-twice", ("panels", 1, "gridPos", "x"), 0),
        ("other-datasource", ("panels", 2, "targets", 0, "datasource"), {"uid": "P1809"}),
        ("no-datasource-variable", ("templating", "list"), []),
        ("no-variable", ("panels", 0, "targets", 0, "expr"), 'up{job="$job"}'),
    ],
)
def test_what_is_missing_is_found(fault: str, path: tuple[Any, ...], value: object) -> None:
    board = copy.deepcopy(dashboards()["service"])
    place: Any = board
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert {one.partition(":")[0] for one in faults(board)} == {fault}


def test_dashboards_are_told_apart() -> None:
    boards = dashboards().values()
    assert len({board["uid"] for board in boards}) == len(boards)
    assert len({board["title"] for board in boards}) == len(boards)


def test_grafana_is_given_every_dashboard() -> None:
    (generated,) = read_yaml(FOLDER / "kustomization.yaml")["configMapGenerator"]
    assert {FOLDER / name for name in generated["files"]} == set(DASHBOARDS)
    assert generated["options"]["labels"] == {"grafana_dashboard": "1"}


def test_queries_are_queries_of_prometheus(tmp_path: Path) -> None:
    asked = [
        {"record": f"panel:{at}", "expr": as_asked(query, "1m")}
        for at, query in enumerate(panel_queries())
    ]
    file = {"groups": [{"name": "panels", "rules": asked}]}
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump(file))
    done = promtool("check", "rules", "panels.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_name_what_the_service_exports() -> None:
    assert [*unknown(panel_queries(), declared(), records())] == []


@pytest.mark.parametrize(
    ("expr", "finding"),
    [
        ("sum(rate(colisten_request_seconds_total[$__rate_interval]))", NO_METRIC),
        ("sum by (user_id) (rate(colisten_shelves_total[$__rate_interval]))", NO_LABEL),
    ],
)
def test_a_dashboard_with_a_dead_query_is_found(expr: str, finding: str) -> None:
    board = copy.deepcopy(dashboards()["service"])
    board["panels"][3]["targets"][0]["expr"] = expr
    (found,) = unknown(board_queries("service", board), declared(), records())
    assert found.where.startswith("service, Time of a shelf")
    assert found.text.startswith(finding)


def test_no_label_of_ours_is_pushed_aside_by_one_of_the_operator() -> None:
    """Of a label that both have Prometheus keeps its own, and ours is `exported_` from then on."""
    ours = set().union(*declared().values())
    (endpoint,) = read_yaml(FOLDER / "service_monitor.yaml")["spec"]["endpoints"]
    dropped = {one["regex"] for one in endpoint["relabelings"] if one["action"] == "labeldrop"}
    assert ours & OF_THE_OPERATOR == {"endpoint"}
    assert ours & OF_THE_OPERATOR <= dropped
