"""`make demo`, run as a process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import demo as script
from shipengine_tracking.testing import FakeShipEngine, Subscription


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    command, settings = [sys.executable, script.__file__], os.environ | environment
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False)


def test_demo_ignores_the_key_and_the_address_of_the_user() -> None:
    done = demo(SHIPENGINE_API_KEY="TEST_of_a_user", SHIPENGINE_BASE_URL="https://host.invalid")
    assert (done.returncode, done.stderr) == (0, "")
    words = "create_webhook start verify AC IT get InvalidSignatureError CarrierError AuthenticationError stop No"
    assert [word for word in words.split() if word not in done.stdout] == []


def test_demo_makes_one_call_to_the_real_service(fake: FakeShipEngine) -> None:
    package = {"CARRIER_CODE": "ups", "TRACKING_NUMBER": "1Z"}
    done = demo(**package, SHIPENGINE_API_KEY=fake.api_key, SHIPENGINE_BASE_URL=fake.url)
    assert done.returncode == 0
    assert fake.subscriptions == [Subscription("1Z", "ups")]
    done = demo(**package, SHIPENGINE_API_KEY="TEST_of_a_user", SHIPENGINE_BASE_URL=fake.url)
    assert done.returncode == 1
    assert "AuthenticationError" in done.stdout
    assert len(fake.requests) == 2


def test_demo_names_what_the_real_call_needs() -> None:
    done = demo(CARRIER_CODE="ups")
    assert (done.returncode, done.stdout) == (2, "")
    assert "SHIPENGINE_API_KEY" in done.stderr
    assert "TRACKING_NUMBER" in done.stderr


def test_demo_fails_if_a_step_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "PAUSE", 0.1)
    monkeypatch.setattr(script, "JOURNEY", ("AC", "IT"))
    original = script.failure
    monkeypatch.setattr(script, "failure", lambda _: original(lambda: None))
    assert script.main() == 1
