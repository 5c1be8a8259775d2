from calls import UNCONNECTED, FakeCaller
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def test_span_of_a_rejected_call_has_its_status_and_no_key(caller: FakeCaller) -> None:
    provider, exporter, instrumentor = TracerProvider(), InMemorySpanExporter(), HTTPXClientInstrumentor()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider)
    caller.call(UNCONNECTED)
    instrumentor.uninstrument()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.attributes["http.status_code"]) == ("POST", 400)
    assert caller.fake.api_key not in span.to_json()
    assert f"{span.context.trace_id:032x}" in caller.fake.requests[0].headers["traceparent"]
