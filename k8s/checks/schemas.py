"""Whether Kubernetes would take an object: its own kinds by its own schemas, others by k8s/schemas.

Strict: a field that is not known is a fault, and so is a kind.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate import utils
from referencing import Registry, Resource

from k8s.checks.finding import Finding
from k8s.checks.rendered import Object, Rendered, name_of

VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
CHECK = "schema"
_FOLDER = Path(__file__).parents[1] / "schemas"


def schema_findings(rendered: Rendered, version: str) -> list[Finding]:
    """What an API server of this version would refuse."""
    return [
        Finding(CHECK, name_of(one), f"Kubernetes {version}: {text}")
        for one in rendered.objects
        for text in faults(one, version)
    ]


def faults(one: Object, version: str) -> list[str]:
    """All that is wrong with one object for one version of Kubernetes."""
    if (schema := custom().get((one["apiVersion"], one["kind"]))) is not None:
        validator = Draft202012Validator(schema, registry=_definitions(version))
        return [f"{_where(error)}{error.message}" for error in validator.iter_errors(one)]
    try:
        utils.validate(dict(one), version, strict=True)
    except utils.SchemaNotFoundError:
        return [f"no such kind: {one['apiVersion']} {one['kind']}"]
    except utils.ValidationError as error:
        return [f"{_where(error)}{error.message}"]
    return []


@cache
def custom() -> dict[tuple[str, str], Any]:
    """Schemas of kinds that are not Kubernetes' own, by apiVersion and kind."""
    found: dict[tuple[str, str], Any] = {}
    for file in sorted(_FOLDER.glob("*.yaml")):
        schema = yaml.safe_load(file.read_text())
        said = schema["properties"]
        for kind in said["kind"].get("enum", [said["kind"].get("const")]):
            found[said["apiVersion"]["const"], kind] = schema
    return found


@cache
def _definitions(version: str) -> Registry[Any]:
    """What kinds of others take over from Kubernetes' own: metadata, pods, volumes."""
    known = [one for one in utils.all_versions() if utils.major_minor(one) == version]
    name = f"kubernetes-json-schema/v{known[-1]}-local-strict/_definitions.json"
    definitions: Registry[Any] = Registry()
    return Resource.from_contents(utils.schema_contents(name, version)) @ definitions


def _where(error: Any) -> str:
    path = ".".join(str(step) for step in error.absolute_path)
    return f"{path}: " if path else ""
