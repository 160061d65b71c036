"""The document at /docs.json is OpenAPI 3.1, and its examples are what the models take and give."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from colisten.serving.endpoints import ENDPOINTS, Endpoint
from colisten.serving.examples import ANSWERS, PROBLEMS, REQUESTS
from colisten.serving.openapi import LINKS, describe
from colisten.serving.problems import TITLES, Problem

DOCUMENT = describe(ENDPOINTS)
NAMED = {endpoint.name: endpoint for endpoint in ENDPOINTS}


def test_the_document_is_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: one.name)
def test_its_examples_are_what_the_models_say(endpoint: Endpoint) -> None:
    assert (endpoint.request is not None) == (endpoint.name in REQUESTS)
    for example in REQUESTS.get(endpoint.name, {}).values():
        assert endpoint.request is not None
        endpoint.request.model_validate_json(json.dumps(example))
    assert ANSWERS[endpoint.name]
    for example in ANSWERS[endpoint.name].values():
        assert endpoint.answer.model_validate(example).model_dump(mode="json") == example


def test_every_status_has_its_example() -> None:
    wanted = {status for endpoint in ENDPOINTS for status in endpoint.statuses}
    assert set(PROBLEMS) == wanted
    for status, example in PROBLEMS.items():
        assert Problem.model_validate(example).model_dump(mode="json") == example
        assert example["status"] == status
        assert example["title"] == TITLES[example["code"]]


def test_its_links_lead_to_requests_that_exist() -> None:
    for name, links in LINKS.items():
        assert name in NAMED
        for link in links.values():
            target = DOCUMENT["paths"][NAMED[link["operationId"]].path]["post"]
            schema = target["requestBody"]["content"]["application/json"]["schema"]
            assert set(link["requestBody"]) <= set(_fields(schema))


def _fields(schema: dict[str, Any]) -> list[str]:
    reference = schema.get("$ref", "")
    if reference:
        return _fields(DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]])
    own = list(schema.get("properties", {}))
    return own + [name for one in schema.get("oneOf", ()) for name in _fields(one)]
