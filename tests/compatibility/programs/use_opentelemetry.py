from calls import both_clients, rejected_call
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shipengine_tracking.testing import FakeShipEngine

provider, exporter = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))
HTTPXClientInstrumentor().instrument(tracer_provider=provider)


@both_clients
def test_span_of_a_rejected_call_has_its_status_and_no_key(kind: str, fake_shipengine: FakeShipEngine) -> None:
    exporter.clear()
    rejected_call(kind)
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.attributes["http.status_code"]) == ("POST", 400)
    assert fake_shipengine.api_key not in span.to_json()
    (request,) = fake_shipengine.requests
    assert f"{span.context.trace_id:032x}-{span.context.span_id:016x}" in request.headers["traceparent"]
