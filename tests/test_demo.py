"""`make demo`, as a stranger runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import demo as script
from shipengine_tracking.testing import FakeShipEngine, Subscription

DEMO = Path(__file__).parent.parent / "scripts" / "demo.py"


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEMO], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_against_the_fake_which_is_all_that_it_calls() -> None:
    done = demo(SHIPENGINE_API_KEY="TEST_of_somebody", SHIPENGINE_BASE_URL="https://nobody.invalid")
    assert done.returncode == 0
    assert done.stderr == ""
    for line in (
        "nothing leaves this machine",
        "AuthenticationError: 401 unauthorized",
        "CarrierError: 400 carrier_not_connected",
        "204: subscribed",
        "9361269903502070406152 is IT: In Transit",
        "9361269903502070406152 is DE: Delivered",
        "InvalidSignatureError: the signature does not fit the delivery",
    ):
        assert line in done.stdout
    assert done.stdout.endswith("All of it happened.\n")


def test_one_real_call(fake: FakeShipEngine) -> None:
    package = {"CARRIER_CODE": "ups", "TRACKING_NUMBER": "1Z"}
    done = demo(**package, SHIPENGINE_API_KEY=fake.api_key, SHIPENGINE_BASE_URL=fake.url)
    assert done.returncode == 0
    assert "Calling once" in done.stdout
    assert fake.subscriptions == [Subscription("1Z", "ups")]
    done = demo(**package, SHIPENGINE_API_KEY="TEST_of_somebody", SHIPENGINE_BASE_URL=fake.url)
    assert done.returncode == 1
    assert "AuthenticationError: 401 unauthorized" in done.stdout
    assert len(fake.requests) == 2


def test_half_of_what_the_real_call_needs() -> None:
    done = demo(CARRIER_CODE="ups")
    assert done.returncode == 2
    assert done.stderr == "The real call needs SHIPENGINE_API_KEY and TRACKING_NUMBER too.\n"
    assert done.stdout == ""


def test_it_says_when_something_does_not_happen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    really = script.refusal
    monkeypatch.setattr(script, "refusal", lambda client, _: really(client, script.CARRIER))
    for name in ("CARRIER_CODE", "TRACKING_NUMBER"):
        monkeypatch.setenv(name, "")
    assert script.main() == 1
    assert capsys.readouterr().out.endswith("That is not what should have happened.\n")
