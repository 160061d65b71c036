"""Spans of a request and its stages, under the caller's, and nothing where nobody asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.testclient import TestClient

from colisten.errors import ConfigError
from colisten.serving.app import build_app
from colisten.serving.exporters import EXPORTER, exporters_of
from colisten.serving.runtime import Runtime
from colisten.serving.stages import STAGES, begin, stage
from colisten.serving.tracing import Tracer, tracer_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
SESSION = {"history": [{"item_id": "p031", "signal": "stream"}], "k": 3}


@pytest.fixture
def spans(runtime: Runtime) -> Iterator[tuple[TestClient, InMemorySpanExporter]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = build_app()
    app.state.runtime, app.state.tracer = runtime, Tracer(provider)
    with TestClient(app) as client:
        yield client, exporter


def test_a_request_and_its_stages_are_spans_under_the_callers(
    spans: tuple[TestClient, InMemorySpanExporter],
) -> None:
    client, exporter = spans
    answer = client.post("/v1/recommend", json=SESSION, headers=CALLER)
    assert answer.status_code == 200
    *stages, request = exporter.get_finished_spans()
    assert request.name == "POST /v1/recommend"
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == SPAN
    assert [one.name for one in stages] == [one for one in STAGES if one != "explain"], "not asked"
    for one in (*stages, request):
        assert f"{one.context.trace_id:032x}" == TRACE
    assert {one.parent and one.parent.span_id for one in stages} == {request.context.span_id}
    told = dict(request.attributes or {})
    assert told["http.response.status_code"] == 200
    assert told["colisten.release_id"] == answer.json()["release_id"]
    assert told["colisten.search"] == "exact"
    assert "p031" not in str([*told.values()]), "what somebody heard is nobody else's business"


def test_what_is_refused_and_what_fails_has_its_span(
    spans: tuple[TestClient, InMemorySpanExporter], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, exporter = spans
    assert client.post("/v1/recommend", json={"k": 0}).status_code == 400
    with monkeypatch.context() as patch:
        patch.setattr(client.app.state, "runtime", None)  # type: ignore[attr-defined]
        assert client.get("/v1/release").status_code == 500
    refused, failed = exporter.get_finished_spans()
    assert refused.attributes is not None
    assert refused.attributes["http.response.status_code"] == 400
    assert refused.status.status_code == StatusCode.UNSET
    assert refused.parent is None
    assert failed.status.status_code == StatusCode.ERROR


def test_the_environment_says_whether_and_where() -> None:
    for off in ({}, {EXPORTER: "none"}, {EXPORTER: "console", "OTEL_SDK_DISABLED": "true"}):
        assert tracer_of(off) is None
    tracer = tracer_of({EXPORTER: "console"})
    assert tracer is not None
    tracer.close()
    with pytest.raises(ConfigError, match="'jaeger', which is not installed"):
        exporters_of({EXPORTER: "console,jaeger"})


def test_a_stage_without_a_request_is_nothing() -> None:
    with stage("search"):
        pass
    times = begin()
    for _ in range(2):
        with stage("search"):
            pass
    assert set(times.seconds) == {"search"}
    assert times.header().startswith("search;dur=0.0")
