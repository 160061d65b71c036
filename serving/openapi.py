"""The OpenAPI description of the routes, made from the models that check the bodies."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Protocol

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from colisten.index.filter import RANGED
from colisten.release.loaded import LoadedRelease
from colisten.serving.examples import ANSWERS, PROBLEMS, REQUESTS
from colisten.serving.incoming import DEADLINE_HEADER, MAX_DEADLINE_MS
from colisten.serving.problems import MEDIA_TYPE, Problem
from colisten.serving.stages import HEADER

_ERRORS = {
    400: "The body or a header does not fit; the answer names each field.",
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
_STAGES = {
    "description": "Milliseconds that each stage took; those that were passed.",
    "schema": {"type": "string"},
}
_RETRY = {
    "description": "Seconds after which it is worth asking again.",
    "schema": {"type": "integer", "minimum": 1},
}
# What to do with an answer: a shelf is shown, and what was done with it is told.
_FIRST = "$response.body#/items/0/item_id"
LINKS: Mapping[str, dict[str, Any]] = {
    "recommend": {
        "started": {
            "operationId": "events",
            "requestBody": {
                "user_id": "$request.body#/user_id",
                "item_id": _FIRST,
                "recommendation_id": "$response.body#/request_id",
            },
        },
        "near the first": {"operationId": "similar", "requestBody": {"item_id": _FIRST}},
        "without the first": {
            "operationId": "recommend",
            "requestBody": {"user_id": "$request.body#/user_id", "exclude": [_FIRST]},
        },
    },
    "events": {
        "the next shelf": {
            "operationId": "recommend",
            "requestBody": {"user_id": "$request.body#/user_id"},
        }
    },
    "release": {
        "not older": {
            "operationId": "recommend",
            "requestBody": {"min_release": "$response.body#/release_id"},
        }
    },
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
        operation: dict[str, Any] = {
            "operationId": one.name,
            "summary": one.summary,
            "parameters": [_DEADLINE],
            "responses": _answers(one, references),
        }
        if one.request is not None:
            body = _content(
                "", references[(one.request, "validation")], examples=REQUESTS[one.name]
            )
            operation["requestBody"] = {"required": True, "content": body["content"]}
        paths.setdefault(one.path, {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "colisten",
            "version": version("colisten"),
            "summary": "Shelves, similar items and events over the live release.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
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


def _answers(one: Described, references: dict[Any, Any]) -> dict[str, Any]:
    """Every status of an endpoint with what comes with it."""
    fits = _content(
        "Answered.", references[(one.answer, "serialization")], examples=ANSWERS[one.name]
    )
    if one.name in LINKS:
        fits["links"] = LINKS[one.name]
    if one.name == "recommend":
        fits["headers"] = {HEADER: _STAGES}
    answers = {"200": fits}
    for status in one.statuses:
        answers[str(status)] = answer = _content(
            _ERRORS[status],
            references[(Problem, "serialization")],
            MEDIA_TYPE,
            examples={PROBLEMS[status]["code"]: PROBLEMS[status]},
        )
        if status == 429:
            answer["headers"] = {"Retry-After": _RETRY}
    return answers


def _content(
    description: str,
    schema: dict[str, Any],
    kind: str = "application/json",
    *,
    examples: Mapping[str, Any],
) -> dict[str, Any]:
    shown = {name: {"value": value} for name, value in examples.items()}
    return {"description": description, "content": {kind: {"schema": schema, "examples": shown}}}
