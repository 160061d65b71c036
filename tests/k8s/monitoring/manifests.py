"""What `k8s/base/monitoring` says: rules, and queries of dashboards."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from k8s.checks.queries import Query, board_queries, recorded, rule_queries

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "k8s/base/monitoring"
RULES = FOLDER / "rules.yaml"
RULE_TESTS = sorted((ROOT / "k8s/tests/rules").glob("*.yaml"))
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
RATE_INTERVAL = "$__rate_interval"
"""Grafana's: four scrapes and more."""


def groups(*, annotated: bool = True) -> dict[str, Any]:
    """The rules as a file of Prometheus's own.

    Args:
        annotated: Whether alerts say what is so in words. Tests of rules compare words to the
            letter, and would have to say each of them a second time.
    """
    found = read_yaml(RULES)["spec"]["groups"]
    for rule in (rule for group in found for rule in group["rules"] if not annotated):
        rule.pop("annotations", None)
    return {"groups": found}


def rules() -> list[dict[str, Any]]:
    """Every rule, of whatever group."""
    return [rule for group in groups()["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Rules that alert, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def records() -> set[str]:
    """Names of what rules record."""
    return recorded(groups()["groups"])


def alert_queries() -> list[Query]:
    """The expressions of all rules."""
    return rule_queries(groups()["groups"])


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard by the name of its file."""
    return {file.stem: json.loads(file.read_text()) for file in DASHBOARDS}


def panel_queries() -> list[Query]:
    """What all dashboards ask."""
    return [query for name, board in dashboards().items() for query in board_queries(name, board)]


def as_asked(query: Query, interval: str) -> str:
    """As Prometheus is asked it, with so long an interval for rates."""
    return query.expr.replace(RATE_INTERVAL, interval)


def windows(expr: str) -> set[str]:
    """Lengths of the ranges in an expression."""
    return set(re.findall(r"\[([^\]]+)\]", expr))


def read_yaml(file: Path) -> Any:
    """The one document of a file."""
    return yaml.safe_load(file.read_text())
