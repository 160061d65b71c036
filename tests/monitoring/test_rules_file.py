"""A file of rules is refused in a sentence that names the rule's place, or read as it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import ConfigError
from colisten.settings.alerts import DEFAULT_RULES, load_rules

WHOLE = """
rules:
  - name: age moved
    figure: columns.age
    comparison: ">="
    threshold: 1
    severity: page
    runs: 2
    then: retrain
stale_after_days: {drift: 3, gate: 30}
retrain: {data: tables, window_days: 14}
"""


def read(folder: Path, text: str) -> object:
    file = folder / "alerts.yaml"
    file.write_text(text)
    return load_rules(file)


def refusal(folder: Path, text: str) -> str:
    """What is said of a file; empty where it is read. Any other error is a traceback."""
    try:
        read(folder, text)
    except ConfigError as error:
        return str(error)
    return ""


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(WHOLE)
    rules = load_rules(tmp_path / "alerts.yaml")
    (rule,) = rules.rules
    assert (rule.threshold, rule.runs, rule.then, rule.report) == (1.0, 2, "retrain", "drift")
    assert rules.oldest_days == {"drift": 3, "gate": 30}
    assert load_rules(None) is DEFAULT_RULES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no rules"),
        ("- a", "holds no rules"),
        ("rules: [", "is no YAML"),
        ("rules: [{name: a, name: b}]", "is there twice"),
        ("rules: [{figure: x, threshold: 1}]", "rules.0.name"),
        ("rules: [{name: a, figure: x}]", "rules.0.threshold"),
        ("rules: [{name: a, figure: x, threshold: .nan}]", "rules.0.threshold"),
        ("rules: [{name: a, figure: x, threshold: [1]}]", "rules.0.threshold"),
        ("rules: [{name: a, figure: x, threshold: hot}]", "'a' cannot compare by >="),
        ("rules: [{name: a, figure: x, threshold: 1, comparison: in}]", "cannot compare by in"),
        ("rules: [{name: a, figure: x, threshold: 1, comparison: '=>'}]", "rules.0.comparison"),
        ("rules: [{name: a, figure: x, threshold: 1, runs: 0}]", "rules.0.runs"),
        ("rules: [{name: a, figure: x, threshold: 1, runs: true}]", "rules.0.runs"),
        ("rules: [{name: a, figure: x, threshold: 1, severty: page}]", "'severity'"),
        ("rules: [{name: a, figure: x, threshold: 1, report: drfit}]", "'drift'"),
        ("rules: [{name: a, figure: x, threshold: 1, then: retrain}]", "`retrain` is missing"),
        (
            "rules: [{name: a, figure: x, threshold: 1}, {name: a, figure: y, threshold: 1}]",
            "two rules are called 'a'",
        ),
        ("stale_after_days: {drift: 0}", "stale_after_days.drift"),
        ("stale_after_days: {drift: null}", "stale_after_days.drift"),
        ("stale_after_days: {weather: 1}", "stale_after_days.weather"),
        ("retrain: {data: ''}", "retrain.data"),
    ],
)
def test_what_is_no_rule_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert said in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot read"):
        load_rules(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Cannot read"):
        load_rules(tmp_path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda below: (
            st.lists(below, max_size=3)
            | st.dictionaries(
                st.sampled_from(["rules", "name", "figure", "threshold", "retrain", "data", "x"]),
                below,
                max_size=4,
            )
        ),
        max_leaves=10,
    )
)
def test_nothing_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    said = refusal(tmp_path_factory.mktemp("rules"), yaml.safe_dump(tree, allow_unicode=True))
    assert not said or "alerts.yaml" in said
