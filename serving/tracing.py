"""OpenTelemetry traces: a span a request, and in it one for each stage of the answer.

Off where `OTEL_TRACES_EXPORTER` names no exporter; the sampler, the resource and where spans go are
said by the other standard `OTEL_*` variables. A caller's `traceparent` is taken up. No span holds
who asked or what was shown.
"""

from __future__ import annotations

from colisten.extras import needs

needs("opentelemetry")

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import propagate, trace
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from colisten.serving.answers import How
from colisten.serving.exporters import exporters_of


class Tracer:
    """Makes the spans of one worker.

    Args:
        provider: Where they go.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("colisten.serving", version("colisten"))

    @contextmanager
    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """The span of one request, under that of its caller where the headers name one."""
        with self._tracer.start_as_current_span(
            f"{method} {path}",
            context=propagate.extract(headers),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": path},
            record_exception=False,
        ) as span:
            yield span

    def here(self) -> RequestSpans:
        """Where the stages of the current request have theirs."""
        return RequestSpans(self._tracer, get_current())

    @staticmethod
    def tell(span: Span, status: int, answer: object) -> None:
        """Write down in a request's span what came of it."""
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        for name in ("release_id", "arm"):
            value = getattr(answer, name, None)
            if value is not None:
                span.set_attribute(f"colisten.{name}", value)
        how = getattr(answer, "how", None)
        if isinstance(how, How):
            span.set_attribute("colisten.vector", how.vector)
            span.set_attribute("colisten.search", how.search)
            span.set_attribute("colisten.fallbacks", how.fallbacks)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


class RequestSpans:
    """Makes the spans of one request's stages, in whatever thread they are passed.

    Args:
        tracer: Makes them.
        context: Of the request.
    """

    def __init__(self, tracer: trace.Tracer, context: Context) -> None:
        self._tracer = tracer
        self._context = context

    def stage(self, name: str) -> Span:
        """The span of a stage, begun; whoever ends the stage ends it."""
        return self._tracer.start_span(name, self._context)


def tracer_of(variables: Mapping[str, str]) -> Tracer | None:
    """The tracer that the environment asks for; None where it asks for none.

    Raises:
        ConfigError: As `exporters_of`.
    """
    exporters = exporters_of(variables)
    if not exporters:
        return None
    provider = TracerProvider()
    for one in exporters:
        provider.add_span_processor(BatchSpanProcessor(one.load()()))
    return Tracer(provider)
