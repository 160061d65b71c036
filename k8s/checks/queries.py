"""What rules and dashboards ask of Prometheus, held to what the service exports."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from colisten.serving import metrics
from k8s.checks.finding import Finding
from k8s.checks.rendered import Rendered, at

CHECK = "metric"
NO_METRIC, NO_LABEL, NO_RECORD = "nothing exports", "it has no label", "nothing records"
OF_THE_TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus gives every series, here as under its operator."""
DASHBOARD = "grafana_dashboard"
"""The label of a ConfigMap whose files Grafana's sidecar takes for dashboards."""

Exported = Mapping[str, Collection[str]]
"""Names of samples, each with its labels."""

_SELECTOR = re.compile(r"(?<![\w:])((?:colisten_|colisten:|up\b)[\w:]*)\s*(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_TEXT = re.compile(r'"(?:\\.|[^"\\])*"')


@dataclass(frozen=True)
class Query:
    """One expression of PromQL.

    Attributes:
        where: Whose it is, for a reader of a finding.
        expr: With Grafana's variables.
    """

    where: str
    expr: str


def queries(rendered: Rendered) -> Iterator[Finding]:
    """Metrics, labels and records that rules or dashboards ask for, and that there are not."""
    groups = [
        group
        for resource in rendered.kind("PrometheusRule")
        for group in resource["spec"]["groups"]
    ]
    asked = rule_queries(groups)
    for config in rendered.kind("ConfigMap"):
        if DASHBOARD in (at(config, "metadata", "labels") or {}):
            for file, text in config.get("data", {}).items():
                asked += board_queries(file.removesuffix(".json"), json.loads(text))
    yield from unknown(asked, declared(), recorded(groups))


def rule_queries(groups: Iterable[Mapping[str, Any]]) -> list[Query]:
    """The expressions of rules."""
    return [
        Query(rule.get("alert") or rule["record"], rule["expr"])
        for group in groups
        for rule in group["rules"]
    ]


def recorded(groups: Iterable[Mapping[str, Any]]) -> set[str]:
    """Names of what rules record."""
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def board_queries(name: str, board: Mapping[str, Any]) -> list[Query]:
    """What a dashboard asks: its panels and its annotations."""
    asked = [
        Query(f"{name}, {panel['title']}", target["expr"])
        for panel in board["panels"]
        for target in panel["targets"]
    ]
    noted = at(board, "annotations", "list") or []
    return asked + [Query(f"{name}, annotation {one['name']}", one["expr"]) for one in noted]


def declared() -> dict[str, set[str]]:
    """What the service's sources declare, whether or not anything was counted yet."""
    found = {"up": set[str]()}
    for one in vars(metrics).values():
        labels = set(getattr(one, "_labelnames", ()))
        match one:
            case Counter():
                found[f"{one._name}_total"] = labels
            case Gauge():
                found[one._name] = labels
            case Histogram():
                found[f"{one._name}_bucket"] = {*labels, "le"}
                found |= {f"{one._name}_{end}": labels for end in ("sum", "count")}
    return found


def unknown(asked: Iterable[Query], known: Exported, records: Collection[str]) -> Iterator[Finding]:
    """Each metric, label or record that a query names and that is not there."""
    for query in asked:
        text = re.sub(r"(?m)#.*$", "", query.expr)
        named = [(match[1], _labels(match[2] or "")) for match in _SELECTOR.finditer(text)]
        plain = re.sub(r"\{[^}]*\}", "", text)
        grouped = {
            label for match in _GROUPED.finditer(plain) for label in re.findall(r"\w+", match[1])
        }
        reached = set(OF_THE_TARGET)
        for name, labels in named:
            if ":" in name:
                if name not in records:
                    yield Finding(CHECK, query.where, f"{NO_RECORD} {name}.")
            elif name not in known:
                yield Finding(CHECK, query.where, f"{NO_METRIC} {name}.")
            else:
                own = OF_THE_TARGET.union(known[name])
                reached |= own
                for one in sorted(labels - own):
                    yield Finding(CHECK, query.where, f"{NO_LABEL} {one}: {name}.")
        for one in sorted(grouped - reached):
            yield Finding(CHECK, query.where, f"{NO_LABEL} {one}, by which it groups.")
        if not named:
            yield Finding(CHECK, query.where, f"{NO_METRIC} what it asks for: it names nothing.")


def _labels(matchers: str) -> set[str]:
    """Labels that matchers name, whatever stands in their values."""
    return set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _TEXT.sub('""', matchers)))
