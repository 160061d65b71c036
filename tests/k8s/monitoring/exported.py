"""What a service exports, and what queries name that it does not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from colisten.serving import metrics
from tests.k8s.monitoring.manifests import Query

Exported = Mapping[str, Collection[str]]
"""Names of samples, each with its labels."""

OF_THE_TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus gives every series, here as under its operator."""
NO_METRIC, NO_LABEL, NO_RECORD = "metric-not-exported", "label-not-exported", "record-not-recorded"
_SELECTOR = re.compile(r"(?<![\w:])((?:colisten_|colisten:|up\b)[\w:]*)\s*(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def declared() -> dict[str, set[str]]:
    """What the sources declare, whether or not anything was counted yet."""
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


def exported(exposition: str) -> dict[str, set[str]]:
    """What the text of /metrics has samples of."""
    found = {"up": set[str]()}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def unknown(queries: Iterable[Query], known: Exported, records: Collection[str]) -> list[str]:
    """Each metric, label or record that a query names and that is not there: a finding each."""
    findings = []
    for query in queries:
        text = re.sub(r"(?m)#.*$", "", query.expr)
        named = [(match[1], labels_of(match[2] or "")) for match in _SELECTOR.finditer(text)]
        plain = re.sub(r"\{[^}]*\}", "", text)
        grouped = {
            label for match in _GROUPED.finditer(plain) for label in re.findall(r"\w+", match[1])
        }
        reached = set(OF_THE_TARGET)
        for name, labels in named:
            if ":" in name:
                findings += [f"{NO_RECORD}: {query.where}: {name}"] * (name not in records)
                continue
            if name not in known:
                findings.append(f"{NO_METRIC}: {query.where}: {name}")
                continue
            own = OF_THE_TARGET.union(known[name])
            reached |= own
            findings += [f"{NO_LABEL}: {query.where}: {name} has no {one}" for one in labels - own]
        findings += [f"{NO_LABEL}: {query.where}: nothing has {one}" for one in grouped - reached]
        if not named:
            findings.append(f"{NO_METRIC}: {query.where}: it asks for nothing of ours")
    return findings


def labels_of(matchers: str) -> set[str]:
    """Labels that matchers name, whatever stands in their values."""
    return set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"(?:\\.|[^"\\])*"', '""', matchers)))
