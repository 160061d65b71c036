"""What is written about the service is what the service does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml
from prometheus_client import Counter, Gauge, Histogram

from colisten.serving import index_truth, metrics
from colisten.serving.endpoints import ENDPOINTS
from colisten.serving.problems import CODES
from colisten.serving.requests import EventRequest, EventsRequest
from colisten.serving.triton_tower import ABSENT, ERROR, FOREIGN, UNCHECKED
from colisten.variables import HOME, SETTINGS, STORE, TOKEN, UMASK, WORKERS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/serving.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_metric_is_documented_with_its_labels() -> None:
    kinds: dict[type, str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}
    made = {
        one._name: (kinds[type(one)], set(one._labelnames))
        for one in vars(metrics).values()
        if type(one) in kinds
    }
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", section("Metrics"), re.MULTILINE)
    written = {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels in rows}
    assert written == made


def test_every_fault_is_documented() -> None:
    names = set(CODES)
    assert (
        set(re.findall(r"^\| \d+(?:, \d+)* \| `(\w+)`", section("Faults"), re.MULTILINE)) == names
    )


def test_every_endpoint_and_its_fields_are_documented() -> None:
    for endpoint in ENDPOINTS:
        rows = [row for row in section("Endpoints").splitlines() if endpoint.path in row]
        assert any(f"{endpoint.method} {endpoint.path}" in row for row in rows), endpoint.path
        fields = set(endpoint.request.model_fields if endpoint.request else ()) - {"root"}
        if endpoint.request is EventsRequest:
            fields = {"events", *EventRequest.model_fields}
        for field in fields:
            assert any(f"`{field}`" in row for row in rows), field


TOWER_REASONS = {ABSENT, FOREIGN, ERROR}


def test_every_reason_is_documented_and_none_else() -> None:
    source = "".join(
        (ROOT / "serving" / f"{name}.py").read_text()
        for name in ("recommender", "request_state", "similar", "filters")
    )
    plain = set(re.findall(r'(?:fallbacks\.append\(|fallbacks=\[)"(\w+)"', source))
    guarded = {
        f"{breaker}_{why}"
        for breaker in ("features", "index", "triton")
        for why in ("timeout", "error", "resting")
    } | {"index_refused", *index_truth.REASONS, "triton_refused", *TOWER_REASONS, UNCHECKED}
    written = {
        reason
        for row in section("Fallbacks").splitlines()
        if row.startswith("|")
        for reason in re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])
    } - {"how"}
    assert written == plain | guarded


def test_every_reason_of_a_part_is_documented() -> None:
    source = "".join(
        (ROOT / "serving" / f"{name}.py").read_text()
        for name in ("inspection", "active_release", "exposure_log", "store_follower")
    )
    plain = set(re.findall(r'"((?:release|files|features|index|exposures|store)_\w+)"', source))
    index = set(index_truth.REASONS) - {"index_unchecked"}
    rows = [row for row in section("What answers stand on").splitlines() if row.startswith("|")]
    written = {
        reason for row in rows for reason in re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])
    } - {"reason"}
    # What loading and following log under such a name is no reason.
    assert written == index | TOWER_REASONS | (plain & written)
    assert {"release_refused", "release_absent", "files_changed", "features_empty"} <= plain
    assert {name for name in plain if name.startswith("features_")} <= written


def test_every_variable_is_documented() -> None:
    named = {HOME, STORE, SETTINGS, WORKERS, TOKEN, UMASK}
    assert set(re.findall(r"^\| `(COLISTEN_\w+)`", PAGE, re.MULTILINE)) == named


def test_every_file_has_its_line_in_the_readme() -> None:
    readme = (ROOT / "serving/README.md").read_text()
    named = set(re.findall(r"`(\w+\.(?:py|yaml))`", readme))
    present = {file.name for file in (ROOT / "serving").glob("*.*")} - {"__init__.py", "README.md"}
    assert named == present


def test_a_bento_carries_what_the_serving_extra_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *extras["serving"]}
    for own in [each for each in wanted if each.startswith("colisten[")]:
        wanted.remove(own)
        wanted |= {each for extra in own[9:-1].split(",") for each in extras[extra]}
    bento = yaml.safe_load((ROOT / "serving/bentofile.yaml").read_text())
    assert set(bento["python"]["packages"]) == wanted
