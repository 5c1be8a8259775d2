from typing import Any

from calls import UNCONNECTED, FakeCaller
from ddtrace import patch
from ddtrace.trace import TraceFilter, tracer

spans: list[Any] = []


class Record(TraceFilter):  # type: ignore[misc]
    def process_trace(self, trace: Any) -> None:
        spans[:] = trace  # and sends nothing


def test_span_of_a_rejected_call_has_its_status_and_no_key(caller: FakeCaller) -> None:
    tracer.configure(trace_processors=[Record()])
    patch(httpx=True)
    caller.call(UNCONNECTED)
    tracer.flush()
    (span,) = spans
    assert (span.name, span.get_tag("http.status_code")) == ("http.request", "400")
    assert caller.fake.api_key not in repr(span.get_tags())
