"""Whether a resource is one that Kubeflow takes, by the facts in `trainer_crds.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def facts() -> dict[str, dict[str, Any]]:
    """What is known of each kind."""
    file = Path(__file__).parent / "trainer_crds.yaml"
    return {each["kind"]: each for each in yaml.safe_load(file.read_text())["kinds"]}


def faults(resource: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a resource; empty where Kubernetes would take it."""
    return [*_faults(resource)]


def _faults(resource: Mapping[str, Any]) -> Iterator[str]:
    known = facts().get(resource.get("kind", ""))
    if known is None:
        yield f"no such kind: {resource.get('kind')}"
        return
    if resource.get("apiVersion") != known["apiVersion"]:
        yield f"apiVersion is {resource.get('apiVersion')}"
    if unknown := set(resource) - {"apiVersion", "kind", "metadata", "spec"}:
        yield f"unknown: {sorted(unknown)}"
    name = resource["metadata"]["name"]
    if not re.fullmatch(known["name"], name) or len(name) > 63:
        yield f"metadata.name is {name}"
    for owner in resource["metadata"].get("ownerReferences", []):
        if not {"apiVersion", "kind", "name", "uid"} <= set(owner):
            yield f"an owner is {owner}"
    yield from _unknown(resource["spec"], known["fields"], "spec")
    for path in known["required"]:
        if at(resource, path) is None:
            yield f"{path} is missing"
    for path in known["integers"]:
        value = at(resource["spec"], path)
        if value is not None and (not isinstance(value, int) or value < 1):
            yield f"{path} is {value!r}"
    trainer = resource["spec"].get("trainer", {})
    variables = [each["name"] for each in trainer.get("env", [])]
    if reserved := set(variables) & set(known["reserved"]):
        yield f"reserved: {sorted(reserved)}"
    if len(variables) != len(set(variables)):
        yield f"named twice: {variables}"
    for each in trainer.get("env", []):
        if not isinstance(each.get("value", ""), str):
            yield f"{each['name']} is no text"
    words = resource["spec"].get("arguments", trainer.get("args", []))
    if len(words) > known["most_arguments"] or not all(isinstance(each, str) for each in words):
        yield f"arguments are {words}"


def at(node: Any, path: str) -> Any:
    """What lies at a path of names; None where nothing does."""
    for name in path.split("."):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def _unknown(node: Any, known: Any, where: str) -> Iterator[str]:
    if known == "any":
        return
    if isinstance(known, list):
        if not isinstance(node, list):
            yield f"{where} is no list"
            return
        for number, each in enumerate(node):
            yield from _unknown(each, known[0], f"{where}[{number}]")
        return
    if not isinstance(node, Mapping):
        yield f"{where} is no mapping"
        return
    for name, value in node.items():
        if name not in known:
            yield f"unknown: {where}.{name}"
        else:
            yield from _unknown(value, known[name], f"{where}.{name}")
