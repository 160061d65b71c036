"""Every command of docs/kubernetes.md is tried as far as no cluster allows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from colisten.settings.cluster import load_cluster
from k8s.checks.rendered import Rendered, strings
from k8s.checks.run import CHECKS
from supply.__main__ import WORDS
from tests.docs.commands import faults_of_line
from tests.docs.page import Page
from tests.k8s.kubectl import CLUSTER, ROOT, kubectl, rendered, text_of

PAGE = Page.read("docs/kubernetes.md")
LINES = [
    line.replace(".venv/bin/", "")
    for block in PAGE.blocks
    if block.language == "sh"
    for line in block.code.splitlines()
    if line.strip()
]


def is_checked(line: str) -> None:
    """A rendering that is piped into the checks: `test_mistakes` makes them."""
    match = re.match(
        r"kubectl kustomize (\S+) \| python -m k8s\.checks(?: --cluster (\S+))?$", line
    )
    assert match, line
    assert rendered(match[1].removeprefix("k8s/")).objects
    if match[2]:
        load_cluster(ROOT / match[2])


def is_applied(line: str) -> None:
    """What is applied is there, or was written by a line before."""
    match = re.match(r"kubectl apply -([kf]) (\S+)$", line)
    assert match, line
    if match[1] == "k":
        assert text_of(ROOT / match[2])
    elif match[2].startswith("build/"):
        assert f"--out {match[2]}" in "\n".join(LINES[: LINES.index(line)])
    else:
        assert yaml.safe_load((ROOT / match[2]).read_text())["kind"] == "Namespace"


def is_there(line: str) -> None:
    """What is asked of the cluster names an object, and a port, of what is rendered."""
    match = re.search(r"(deployment|service|cronjob)/([\w-]+)(?: (\d+):(\d+))?", line)
    assert match, line
    objects, kind = rendered("overlays/production"), match[1]
    found = objects.find({"cronjob": "CronJob"}.get(kind, kind.title()), match[2], "colisten")
    assert found is not None, line
    if match[4] is not None:
        ports = {value for path, value in numbers(found) if path in ("port", "containerPort")}
        assert int(match[4]) in ports


def numbers(node: object, name: str = "") -> list[tuple[str, int]]:
    if isinstance(node, dict):
        return [one for key, value in node.items() for one in numbers(value, str(key))]
    if isinstance(node, list):
        return [one for value in node for one in numbers(value, name)]
    return [(name, node)] if isinstance(node, int) else []


def is_a_command(line: str) -> None:
    """Of ours: `tests/docs` holds its options to the program, `test_pipelines` compiles."""
    assert faults_of_line(line) == ([], [])
    for named in re.findall(r"--(?:cluster|config) (\S+)", line):
        assert (ROOT / named).is_file()


def is_a_word(line: str) -> None:
    assert line.split()[3] in WORDS


def is_of_make(line: str) -> None:
    assert re.search(rf"(?m)^{line.split()[1]}:", (ROOT / "Makefile").read_text())


def is_asked(line: str) -> None:
    """A path that `test_running` finds answered, with the Secret that holds the token."""
    assert "/v1/health " in line
    assert "get secret colisten-token" in line


HANDLERS: dict[str, Callable[[str], None]] = {
    r"kubectl kustomize ": is_checked,
    r"kubectl apply ": is_applied,
    r"kubectl -n colisten (rollout|port-forward|create job) ": is_there,
    r"colisten ": is_a_command,
    r"python -m supply ": is_a_word,
    r"make ": is_of_make,
    r"curl ": is_asked,
}


@pytest.mark.parametrize("line", dict.fromkeys(LINES))
def test_a_command_is_one_that_can_be_given(line: str, tmp_path: Path) -> None:
    if " create secret " in line:
        assert made(line, tmp_path)["kind"] == "Secret"
        return
    handlers = [run for pattern, run in HANDLERS.items() if re.match(pattern, line)]
    assert len(handlers) == 1, f"nobody tries {line}"
    handlers[0](line)


def made(line: str, folder: Path) -> dict[str, object]:
    """The Secret that a line makes, by kubectl and no cluster."""
    for name in re.findall(r"--from-file=([\w-]+)", line):
        (folder / name).write_text("of-the-tests")
    done = subprocess.run(
        ["bash", "-euc", f"{line.replace('kubectl', kubectl(), 1)} --dry-run=client -o yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = yaml.safe_load(done.stdout)
    return found


def test_every_secret_that_is_named_is_made(tmp_path: Path) -> None:
    keys: set[tuple[str, str, str]] = set()
    for line in LINES:
        if " create secret " in line:
            secret = made(line, tmp_path)
            meta, data = secret["metadata"], secret["data"]
            assert isinstance(meta, dict)
            assert isinstance(data, dict)
            keys |= {(meta["namespace"], meta["name"], key) for key in data}
    assert named(rendered("overlays/production")) | of_the_cluster() == keys


def named(objects: Rendered) -> set[tuple[str, str, str]]:
    """Secrets that pods take variables from: namespace, name, key."""
    return {
        (workload.namespace, reference["name"], reference["key"])
        for workload in objects.workloads
        for container in workload.containers
        for one in container.get("env", [])
        if (reference := one.get("valueFrom", {}).get("secretKeyRef")) is not None
    }


def of_the_cluster() -> set[tuple[str, str, str]]:
    """And those of the pods of steps."""
    cluster = load_cluster(CLUSTER)
    assert cluster.kubeflow is not None
    assert cluster.webhook is not None
    space = cluster.kubeflow.namespace
    found = {(space, one.name, key) for one in cluster.secrets for key in one.variables}
    return found | {(space, cluster.webhook.secret, cluster.webhook.key)}


def test_the_page_lists_every_check() -> None:
    listed = set(re.findall(r"(?m)^\| `(\w+)` \| ", PAGE.text))
    assert listed == {*CHECKS, "store"}


def test_namespaces_of_others_are_those_that_the_page_names() -> None:
    label = "kubernetes.io/metadata.name"
    objects = rendered("overlays/production")
    said = {text for one in objects.objects for path, text in strings(one) if path[-1] == label}
    for name in said - {"kube-system"}:
        assert f"`{name}`" in PAGE.text, name
