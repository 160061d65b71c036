"""What the checks take for granted is what the code says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from colisten.serving.endpoints import ENDPOINTS
from colisten.settings.tree import SECTIONS
from colisten.triton.start import image_command
from k8s.checks.configuration import SERVED
from k8s.checks.rendered import at
from k8s.checks.rights import CALLS
from tests.k8s.kubectl import K8S, ROOT, rendered

# What the client calls verbs and resources.
ASKED = {
    "create_namespaced_custom_object": ("trainer.kubeflow.org", "trainjobs", "create"),
    "get_namespaced_custom_object": ("trainer.kubeflow.org", "trainjobs", "get"),
    "patch_namespaced_custom_object": ("trainer.kubeflow.org", "trainjobs", "patch"),
    "delete_namespaced_custom_object": ("trainer.kubeflow.org", "trainjobs", "delete"),
    "list_namespaced_pod": ("", "pods", "list"),
    "read_namespaced_pod_log": ("", "pods/log", "get"),
}
ROOMS = ("cli", "colisten", "components", "pipelines", "serving", "monitoring", "feature_repo")


def attributes(room: str) -> Iterator[ast.Attribute]:
    for file in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute):
                yield node


def test_rights_are_those_of_the_calls() -> None:
    called = {
        node.attr
        for room in ROOMS
        for node in attributes(room)
        if re.search(r"_(namespaced|cluster)_|_for_all_namespaces$", node.attr)
    }
    assert called == set(ASKED)
    found: dict[tuple[str, str], set[str]] = {}
    for name in called:
        group, resource, verb = ASKED[name]
        found.setdefault((group, resource), set()).add(verb)
    assert found == CALLS


def test_the_page_about_clusters_lists_the_same_rights() -> None:
    rows = re.findall(
        r'(?m)^\| `?("?[\w."]+"?)`? \| `([\w/]+)` \| (.*) \|$',
        (ROOT / "docs" / "cluster.md").read_text(),
    )
    said = {
        (group.strip('"'), resource): set(re.findall(r"`(\w+)`", verbs))
        for group, resource, verbs in rows
    }
    assert said == CALLS


def test_the_service_reads_these_sections() -> None:
    read = {
        node.attr
        for node in attributes("serving")
        if node.attr in SECTIONS
        and (
            (isinstance(node.value, ast.Attribute) and node.value.attr == "settings")
            or (isinstance(node.value, ast.Name) and node.value.id == "settings")
        )
    }
    assert read == SERVED


def test_triton_is_started_as_we_say_that_it_is() -> None:
    container = at(rendered("base/triton").kind("Deployment")[0], "spec", "template", "spec")
    args = container["containers"][0]["args"]
    assert args == list(image_command(Path("/models")).arguments)


def test_a_route_leads_to_endpoints_alone() -> None:
    posted = {one.path for one in ENDPOINTS if one.method == "POST"}
    for route in rendered("overlays/production").kind("HTTPRoute"):
        paths = {
            match["path"]["value"] for rule in route["spec"]["rules"] for match in rule["matches"]
        }
        assert paths
        assert paths <= posted - {"/v1/user_vector"}


def test_every_folder_of_manifests_is_spoken_of() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    for folder in (*K8S.glob("base/*"), *K8S.glob("components/*"), *K8S.glob("overlays/*")):
        assert f"{folder.name}" in page, folder
