"""The OpenAPI description of the routes, made from the models that check the bodies."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from colisten.index.filter import RANGED
from colisten.release.loaded import LoadedRelease
from colisten.serving.incoming import DEADLINE_HEADER, MAX_DEADLINE_MS
from colisten.serving.problems import MEDIA_TYPE, Problem

_ERRORS = {
    400: "The body does not fit; the answer names each field.",
    404: "No such thing.",
    408: "The body was not whole in time.",
    409: "The release that answers is older than the request allows, or that one is unknown.",
    413: "The body is too long.",
    415: "The body is not declared as JSON.",
    429: "More is asked than can be answered in time; Retry-After says when to ask again.",
    504: "The deadline is over, or nearer than the answer.",
    503: "The worker is not ready, or nothing was stored.",
}
_DEADLINE = {
    "name": DEADLINE_HEADER,
    "in": "header",
    "description": "Milliseconds after which the answer is of no use any more.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_DEADLINE_MS},
}


class Described(Protocol):
    """What a route must say of itself to be described."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def request(self) -> type[BaseModel] | None: ...
    @property
    def answer(self) -> type[BaseModel]: ...
    @property
    def statuses(self) -> tuple[int, ...]: ...


def describe(endpoints: Iterable[Described]) -> dict[str, Any]:
    """An OpenAPI 3.1 document of the endpoints."""
    endpoints = tuple(endpoints)
    models: list[tuple[type[BaseModel], Any]] = [(Problem, "serialization")]
    for one in endpoints:
        models.append((one.answer, "serialization"))
        if one.request is not None:
            models.append((one.request, "validation"))
    references, definitions = models_json_schema(
        models, ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Any] = {}
    for one in endpoints:
        answers = {"200": _content("Answered.", references[(one.answer, "serialization")])}
        for status in one.statuses:
            answers[str(status)] = _content(
                _ERRORS[status], references[(Problem, "serialization")], MEDIA_TYPE
            )
        operation: dict[str, Any] = {
            "operationId": one.name,
            "summary": one.summary,
            "parameters": [_DEADLINE],
            "responses": answers,
        }
        if one.request is not None:
            body = _content("", references[(one.request, "validation")])
            operation["requestBody"] = {"required": True, "content": body["content"]}
        paths.setdefault(one.path, {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "colisten", "version": version("colisten")},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def with_words(document: dict[str, Any], release: LoadedRelease) -> dict[str, Any]:
    """The document with the item types, signals and columns to filter by that a release knows."""
    document = copy.deepcopy(document)
    schemas = document["components"]["schemas"]
    asked = schemas["FilterRequest"]["properties"]
    for name in ("EventRequest", "SessionEvent"):
        event = schemas[name]["properties"]
        words = event["item_type"].get("anyOf", [event["item_type"]])[0]
        words["enum"] = list(release.spec.types)
        event["signal"]["enum"] = list(release.spec.signals)
    for part in asked.values():
        values = part["additionalProperties"]
        part["properties"] = {
            name: values
            for name, kind in release.columns.kinds.items()
            if part is not asked["ranges"] or kind in RANGED
        }
        part["additionalProperties"] = False
    return document


def _content(
    description: str, schema: dict[str, Any], kind: str = "application/json"
) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema}}}
