"""Every alert fires when it should, is silent when it should, and says what to do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.checks.queries import NO_LABEL, NO_METRIC, NO_RECORD, Query, declared, unknown
from tests.docs.page import Page
from tests.k8s.monitoring.manifests import (
    FOLDER,
    RULE_TESTS,
    alert_queries,
    alerts,
    groups,
    read_yaml,
    records,
    rules,
    windows,
)
from tests.k8s.monitoring.tools import amtool, promtool

RUNBOOKS = "docs/runbooks.md"
STEPS = ("You see", "It means", "First", "Then", "It is over when")
# A long and a short window, and how many times as fast as it may a budget burns.
BURNS = {
    "Fast": {("1h", "5m", 14.4), ("6h", "30m", 6.0)},
    "Slowly": {("1d", "2h", 3.0), ("3d", "6h", 1.0)},
}
BUDGETS = {"availability": 0.001, "personal": 0.01}


def written(folder: Path, content: dict[str, Any]) -> Path:
    """A folder with the groups where tests of rules look for them."""
    (folder / "groups.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return folder


def test_rules_are_rules_of_prometheus(tmp_path: Path) -> None:
    done = promtool("check", "rules", "groups.yaml", folder=written(tmp_path, groups()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_and_are_silent(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, written(tmp_path, groups(annotated=False)))
    done = promtool("test", "rules", file.name, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_fired_and_silent() -> None:
    fired, silent = set[str](), set[str]()
    for file in RULE_TESTS:
        for one in read_yaml(file)["tests"]:
            for asked in one["alert_rule_test"]:
                (fired if asked["exp_alerts"] else silent).add(asked["alertname"])
    assert fired == set(alerts())
    assert silent == set(alerts())


@pytest.mark.parametrize(("expr", "fails"), [("vector(0) > 1", True), ("vector(1)", False)])
@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_alerts_that_never_fire_or_always_do_fail_their_tests(
    file: Path, expr: str, fails: bool, tmp_path: Path
) -> None:
    planted = [{"alert": name, "expr": expr} for name in alerts()]
    written(tmp_path, {"groups": [{"name": "planted", "rules": planted}]})
    for at, one in enumerate(read_yaml(file)["tests"]):
        named = {
            asked["alertname"]
            for asked in one["alert_rule_test"]
            if bool(asked["exp_alerts"]) == fails
        }
        alone = {"rule_files": ["groups.yaml"], "evaluation_interval": "30m", "tests": [one]}
        (tmp_path / f"{at}.yaml").write_text(yaml.safe_dump(alone))
        done = promtool("test", "rules", f"{at}.yaml", folder=tmp_path)
        assert {name for name in named if name not in done.stdout + done.stderr} == set()


def test_every_alert_says_how_grave_it_is_and_leads_to_its_runbook() -> None:
    page = Page.read(RUNBOOKS)
    sections = re.split(r"(?m)^### ", page.text)[1:]
    told = {section.partition("\n")[0]: section for section in sections}
    for name, rule in alerts().items():
        assert set(rule["labels"]) == {"severity"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        where, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert where.endswith(f"/{RUNBOOKS}")
        assert anchor in page.anchors, name
        assert [step for step in STEPS if f"**{step}**" in told[name]] == list(STEPS), name
    about = {name for name in told if name.startswith("Colisten")}
    assert about == set(alerts()), "a runbook of an alert that there is not"


@pytest.mark.parametrize("objective", BUDGETS)
@pytest.mark.parametrize("pace", BURNS)
def test_budgets_burn_over_pairs_of_windows(objective: str, pace: str) -> None:
    name = f"Colisten{objective.capitalize()}Burns{pace}"
    expr = re.sub(r"\s+", " ", alerts()[name]["expr"])
    pairs = re.findall(
        rf"\(colisten:{objective}_errors:ratio_rate(\w+) > ([\d.]+) \* ([\d.]+)"
        rf" and colisten:{objective}_errors:ratio_rate(\w+) > ([\d.]+) \* ([\d.]+)\)",
        expr,
    )
    assert {(long, short, float(factor)) for long, factor, _, short, _, _ in pairs} == BURNS[pace]
    for _, factor, budget, _, same, also in pairs:
        assert (factor, float(budget)) == (same, float(also)) == (factor, BUDGETS[objective])


def test_records_of_a_ratio_differ_by_their_window_alone() -> None:
    asked = " ".join(query.expr for query in alert_queries())
    ratios = dict[str, set[str]]()
    for rule in (rule for rule in rules() if "record" in rule):
        name, _, window = rule["record"].rpartition("_rate")
        assert windows(rule["expr"]) == {window}, rule["record"]
        assert f"{rule['record']} " in asked, f"{rule['record']} is asked for by nobody"
        ratios.setdefault(name, set()).add(rule["expr"].replace(f"[{window}]", "[]"))
    assert set(ratios) == {f"colisten:{objective}_errors:ratio" for objective in BUDGETS}
    assert {name for name, exprs in ratios.items() if len(exprs) > 1} == set()


def test_rules_name_what_the_service_exports() -> None:
    assert [*unknown(alert_queries(), declared(), records())] == []


@pytest.mark.parametrize(
    ("expr", "finding"),
    [
        ("sum(rate(colisten_shelves_empty_total[5m])) > 0", NO_METRIC),
        # The counter's name without its suffix.
        ("sum(rate(colisten_fallbacks[5m])) > 0", NO_METRIC),
        ('colisten_parts_well{component="index"} == 0', NO_LABEL),
        ("sum by (pod) (colisten_parts_well) == 0", NO_LABEL),
        ("colisten:availability_errors:ratio_rate4h > 1", NO_RECORD),
        ("vector(1) > 0", NO_METRIC),
    ],
)
def test_an_alert_on_a_metric_that_is_not_exported_is_found(expr: str, finding: str) -> None:
    (found,) = unknown([Query("Planted", expr)], declared(), records())
    assert found.where == "Planted"
    assert found.text.startswith(finding)


def test_routes_lead_where_they_should() -> None:
    checked = amtool("check-config", "alertmanager.yaml", folder=FOLDER)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for name, rule in alerts().items():
        severity = rule["labels"]["severity"]
        done = amtool(
            *("config", "routes", "test", "--config.file=alertmanager.yaml"),
            *(f"--verify.receivers={severity}s", f"alertname={name}", f"severity={severity}"),
            folder=FOLDER,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_silences_another_alert_names_alerts_that_there_are() -> None:
    config = read_yaml(FOLDER / "alertmanager.yaml")
    matchers = [
        matcher
        for rule in config["inhibit_rules"]
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
    ]
    named = {name for one in matchers for name in re.findall(r"alertname !?= (\w+)", one)}
    assert len(named) == 5
    assert named <= set(alerts())


def test_receivers_hold_no_secret() -> None:
    text = (FOLDER / "alertmanager.yaml").read_text()
    keys = re.findall(r"(?m)^\s*(?:- )?(\w*(?:key|url|token|password|secret)\w*):", text)
    assert set(keys) == {"routing_key_file", "api_url_file"}
