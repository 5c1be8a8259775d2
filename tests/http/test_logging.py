"""What a client logs, over real sockets. test_retry_rules.py has the cases."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, Response
from support import NUMBER, Caller

CALL = """
import sys
from shipengine_tracking import TrackingClient

with TrackingClient(sys.argv[1], base_url=sys.argv[2]) as client:
    client.start(tracking_number="1Z", carrier_code="ups")
"""


def test_log_has_a_line_for_each_attempt_and_retry_but_no_secrets(
    fake: FakeShipEngine, caller: Caller, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)
    caplog.set_level(logging.DEBUG, "shipengine_tracking")
    body = {"request_id": "7", "errors": [{"error_code": "unspecified", "message": f"{NUMBER} {fake.api_key}"}]}
    fake.enqueue(Response.of(503, body), Response(b"", "reset"))
    assert caller.call_fake(fake, max_retries=3) is None
    expected = [
        ("DEBUG", "attempt 1: ServerError 503 unspecified [request id 7]"),
        ("WARNING", "after ServerError 503 unspecified [request id 7]"),
        ("DEBUG", "attempt 2: APIConnectionError (ReadError)"),
        ("WARNING", "after APIConnectionError (ReadError)"),
        ("DEBUG", "attempt 3: 204 in 0."),
    ]
    records = [record for record in caplog.records if record.name == "shipengine_tracking"]
    for record, (level, text) in zip(records, expected, strict=True):
        message = record.getMessage()
        assert record.levelname == level
        assert text in message
        assert "start_tracking" in message
        assert "…6152" in message
        assert "stamps_com" in message
        assert NUMBER not in message
        assert fake.api_key not in message


def test_nothing_is_printed_by_default(fake: FakeShipEngine) -> None:
    fake.enqueue(Response.of(503))
    command = [sys.executable, "-c", CALL, fake.api_key, fake.url]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("", "")
    assert len(fake.requests) == 2
