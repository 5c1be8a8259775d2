"""Instrumentation of httpx sees the status of each response: Sentry, OpenTelemetry and Datadog."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shipengine_tracking.testing import FakeShipEngine

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
TOOLS = [
    "ddtrace==4.16.0",
    "opentelemetry-instrumentation-httpx==0.66b2",
    "opentelemetry-sdk==1.45.2",
    "sentry-sdk==2.75.0",
]

SENTRY = """
import sentry_sdk

def record(event, hint):
    for span in event["spans"]:
        print(span["op"], span["data"]["http.response.status_code"])

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, before_send_transaction=record)
with sentry_sdk.start_transaction(name="test"):
    call()
sentry_sdk.flush()
"""
OPENTELEMETRY = """
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

provider, exporter = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(exporter))
HTTPXClientInstrumentor().instrument(tracer_provider=provider)
call()
for span in exporter.get_finished_spans():
    print(span.name, span.attributes["http.status_code"])
"""
DATADOG = """
from ddtrace import patch
from ddtrace.trace import TraceFilter, tracer

class Record(TraceFilter):
    def process_trace(self, trace):
        for span in trace:
            print(span.name, span.get_tag("http.status_code"))

tracer.configure(trace_processors=[Record()])
patch(httpx=True)
call()
tracer.flush()
"""
CALL = """
import asyncio
import sys
from contextlib import suppress

from shipengine_tracking import AsyncTrackingClient, CarrierError, TrackingClient

kind, url, key = sys.argv[1:]
package = {"tracking_number": "1Z", "carrier_code": "seko"}

async def call_async():
    async with AsyncTrackingClient(key, base_url=url) as client:
        await client.start(**package)

def call():
    with suppress(CarrierError):
        if kind == "async":
            asyncio.run(call_async())
        else:
            with TrackingClient(key, base_url=url) as client:
                client.start(**package)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package and the tools into a virtual environment; return its Python."""
    folder = tmp_path_factory.mktemp("instrumented") / "venv"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([*uv, "pip", "install", "--python", python, ROOT, *TOOLS], check=True)
    return python


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("script", "span"),
    [
        pytest.param(SENTRY, "http.client", id="sentry"),
        pytest.param(OPENTELEMETRY, "POST", id="opentelemetry"),
        pytest.param(DATADOG, "http.request", id="ddtrace"),
    ],
)
def test_span_of_a_rejected_call_has_its_status(
    python: Path, fake: FakeShipEngine, kind: str, script: str, span: str
) -> None:
    command = [str(python), "-I", "-c", CALL + script, kind, fake.url, fake.api_key]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"{span} 400\n", result.stderr
    assert len(fake.requests) == 1
