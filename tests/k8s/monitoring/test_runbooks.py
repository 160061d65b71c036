"""What runbooks tell an operator to type is there to be typed."""

from __future__ import annotations

import re

import pytest
import yaml

from k8s.checks.queries import Query, declared, unknown
from tests.docs.page import Page
from tests.k8s.monitoring.manifests import ROOT, alerts, records

PAGE = Page.read("docs/runbooks.md")
DAYS = (
    *("First deployment", "Daily run failed", "A report raises an alert", "Bad release"),
    *("Index slow or empty", "Features stale", "Roll back", "Disaster recovery", "Upgrade"),
    "Cost and capacity",
)


def test_each_kind_of_day_has_a_section() -> None:
    assert tuple(re.findall(r"(?m)^## (.*)$", PAGE.text)) == ("Alerts", *DAYS)


def test_what_is_asked_of_prometheus_is_exported() -> None:
    asked = [
        Query("runbooks", span) for span in PAGE.spans if re.match(r"(sum|max|min|up)\b", span)
    ]
    assert len(asked) >= 5
    assert [*unknown(asked, declared(), records())] == []
    named = {span for span in PAGE.spans if re.fullmatch(r"colisten_\w+", span)}
    assert named <= set(declared()) | {name.removesuffix("_total") for name in declared()}


def test_what_kubectl_is_told_is_in_the_manifests() -> None:
    found = set[str]()
    for file in (ROOT / "k8s/base").rglob("*.yaml"):
        for document in yaml.safe_load_all(file.read_text()):
            if isinstance(document, dict) and "kind" in document and "metadata" in document:
                found.add(f"{document['kind'].lower()}/{document['metadata'].get('name')}")
    short = {"deploy": "deployment"}
    told = re.findall(r"\b(deploy|cronjob)[/ ](colisten-[\w-]+)", PAGE.text)
    assert {name for _, name in told} >= {"colisten-serving", "colisten-fill"}
    assert {f"{short.get(kind, kind)}/{name}" for kind, name in told} <= found


def test_figures_of_the_plan_are_those_that_were_measured() -> None:
    """The arithmetic begins with figures of another page; both say the same."""
    measured = Page.read("docs/benchmarks.md").text
    plan = PAGE.text.split("## Cost and capacity", 1)[1]
    rows = {
        "colisten, 8k, redis, exact, in process": ("924", "two workers answered 924 a second"),
        "colisten, 250k, sqlite, exact, in process": ("137", "searched exactly, 137: 68 a core"),
    }
    http = measured.split("### Over HTTP")[1]
    for row, (most, said) in rows.items():
        assert re.search(rf"(?m)^\| {row} \|(?: [^|]* \|){{3}} {most} \|", http)
        assert said in plan
    assert "| redis | 10,000, 12,500 | 10,000 | 10,000 | 0 | 951 |" in measured
    assert "951 a second into Redis" in plan
    assert "| `serving` | 699 | 230 |" in Page.read("docs/images.md").text
    assert "699 MB on each node" in plan


def test_the_arithmetic_of_the_plan_is_right() -> None:
    plan = PAGE.text.split("## Cost and capacity", 1)[1]
    users, share = (10e6, 500e6), 0.2
    assert "| | 10 million users | 500 million users |" in plan
    columns = re.findall(r"(?m)^\| (.+?) \| (.+?) \| (.+?) \|$", plan)
    table = {name: (first, second) for name, first, second in columns}
    for at, count in enumerate(users):
        peak = count * share * 10 / 86_400 * 3
        events = count * share * 20 / 86_400 * 3
        wanted = {
            "a second, mean; at the peak": peak,
            "cores for them, 8,000 titles": peak / 462 / 0.6,
            "cores for them, 250,000 titles, exact": peak / 68 / 0.6,
            "events a second, at the peak": events,
            "cores for them": events / 475 / 0.6,
        }
        for name, value in wanted.items():
            last = float(re.findall(r"[\d,]+(?:\.\d+)?", table[name][at])[-1].replace(",", ""))
            assert last == pytest.approx(value, rel=0.02), name
        pods = (wanted["cores for them, 8,000 titles"] + wanted["cores for them"]) * 1.5
        last = table["pods of one core, 8,000 titles, one zone of three lost"][at]
        assert float(re.findall(r"\d+", last)[-1]) == pytest.approx(pods, abs=1.5)


def test_alerts_lead_to_days_and_nowhere_else() -> None:
    anchors = {name.lower() for name in alerts()} | {day.lower().replace(" ", "-") for day in DAYS}
    inner = {link[1:] for link in PAGE.links if link.startswith("#")}
    assert inner <= anchors
