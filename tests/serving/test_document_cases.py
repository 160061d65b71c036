"""Schemathesis asks what /docs.json allows and what it does not, and follows its links.

`SCHEMATHESIS_CASES=2000 pytest -m slow tests/serving/test_document_cases.py -s` asks more, and says
what was answered. Real parts: the routes, the runtime, Feast on SQLite, a published release.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation.stateful import run_state_machine_as_test
from starlette.applications import Starlette

from colisten.serving.app import build_app
from colisten.serving.endpoints import ENDPOINTS
from colisten.serving.environment import Environment
from colisten.serving.incoming import DEADLINE_HEADER, MAX_DEADLINE_MS
from colisten.serving.runtime import Runtime
from colisten.settings.tree import load_settings
from tests.conftest import CUT
from tests.serving.strange import make_strange_home

pytestmark = pytest.mark.slow

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "180"))
STEPS = 6
# Longer budgets than a shared machine's pauses: what is tested is what is answered.
PATIENT = (
    "index.backend=exact",
    "serving.features_budget_ms=30000",
    "serving.debug_vectors=true",
    "serving.exposures=false",
)
# What a body must be beyond its schema (an id is not blank, a moment not in the future, a column
# is declared) no schema says, so the checks that all that fits is taken are not among them.
NAMES = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
)


@pytest.fixture(scope="module")
def app(tiny_history: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    home = make_strange_home(tiny_history, tmp_path_factory.mktemp("cases"), as_of=CUT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colisten.serving.runtime._PUSH_SECONDS", 30.0)
        runtime = Runtime.open(Environment(home, load_settings(None, PATIENT)))
    made = build_app()
    made.state.runtime = runtime
    yield made
    runtime.close()


def test_no_case_breaks_what_the_document_promises(app: Starlette) -> None:
    told: Counter[tuple[str, int]] = Counter()

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start" and scope["path"] != "/docs.json":
                told[scope["path"], message["status"]] += 1
            await send(message)

        await app(scope, receive, noted)

    schema = schemathesis.openapi.from_asgi("/docs.json", counted, config=SchemathesisConfig())
    checks = [not_a_server_error, *CHECKS.get_by_names(list(NAMES))]
    operations = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    assert len(operations) == len(ENDPOINTS)
    each = max(1, CASES // 2 // len(operations))
    for operation in operations:
        _ask(operation, checks, each)
    _follow(schema, checks, max(1, CASES // 2 // STEPS))
    for (path, status), count in sorted(told.items()):
        print(f"{path} {status}: {count}")
    print(f"{sum(told.values())} cases")
    assert sum(told.values()) >= CASES * 0.9
    assert not [status for _, status in told if status >= 500]
    good = Counter(path for path, status in told.elements() if status == 200)
    assert {"/v1/recommend", "/v1/recommend:batch", "/v1/release"} <= set(good)


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def _wait_for_it(case: Any) -> None:
    """A deadline of a millisecond is kept by a 504, and says nothing of the rest."""
    given = str((case.headers or {}).get(DEADLINE_HEADER, ""))
    if given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= MAX_DEADLINE_MS:
        case.headers[DEADLINE_HEADER] = str(MAX_DEADLINE_MS)


def _ask(operation: Any, checks: list[Any], examples: int) -> None:
    """One operation by itself, as the document allows it and as it does not."""
    allowed = operation.as_strategy(GenerationMode.POSITIVE)
    every = st.one_of(allowed, operation.as_strategy(GenerationMode.NEGATIVE))

    @_settings(examples)
    @given(case=every if operation.body else allowed)
    def ask(case: Any) -> None:
        _wait_for_it(case)
        case.call_and_validate(checks=checks)

    ask()


def _follow(schema: Any, checks: list[Any], examples: int) -> None:
    """Operations one after the other, as the links lead."""

    class Conversation(schema.as_state_machine()):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            _wait_for_it(case)

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            case.validate_response(response, checks=checks)

    run_state_machine_as_test(Conversation, settings=_settings(examples))
