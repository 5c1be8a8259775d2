from typing import Any

from calls import both_clients, rejected_call
from ddtrace import patch
from ddtrace.trace import TraceFilter, tracer

from shipengine_tracking.testing import FakeShipEngine

spans: list[Any] = []


class Record(TraceFilter):  # type: ignore[misc]
    def process_trace(self, trace: Any) -> None:
        spans.extend(trace)  # and sends nothing


tracer.configure(trace_processors=[Record()])
patch(httpx=True)


@both_clients
def test_span_of_a_rejected_call_has_its_status_and_no_key(kind: str, fake_shipengine: FakeShipEngine) -> None:
    spans.clear()
    rejected_call(kind)
    tracer.flush()
    (span,) = spans
    assert (span.name, span.get_tag("http.status_code")) == ("http.request", "400")
    assert fake_shipengine.api_key not in repr(span.get_tags())
    assert len(fake_shipengine.requests) == 1
