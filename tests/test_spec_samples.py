"""What the spec says about the package is true: its samples run, and its error catalogue is the package's."""

import os
import re
import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

import spec_rules
from document import DOCUMENT
from shipengine_tracking.exceptions import CODES, exception_class
from shipengine_tracking.testing import FakeShipEngine, Subscription

PRODUCTION = DOCUMENT["servers"][0]["url"]
START = DOCUMENT["paths"]["/v1/tracking/start"]["post"]
SAMPLES = {sample["label"]: sample["source"] for sample in START["x-codeSamples"]}
PACKAGE = Subscription("9405511899223197428490", "stamps_com", None)


def run(command: list[str], fake: FakeShipEngine) -> str:
    """Run as a reader would, who has set the key, and return what was printed."""
    settings = {"SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("label", ["Python", "Python (async)"])
def test_the_python_sample_runs(label: str, fake: FakeShipEngine) -> None:
    assert run([sys.executable, "-W", "error", "-c", SAMPLES[label]], fake) == ""
    assert fake.subscriptions == [PACKAGE]


def test_the_python_sample_says_when_the_carrier_is_not_connected(fake: FakeShipEngine) -> None:
    sample = SAMPLES["Python"].replace(PACKAGE.carrier_code or "", "purolator_ca")
    assert run([sys.executable, "-c", sample], fake).startswith("Connect the carrier first: ")
    assert fake.subscriptions == []


@pytest.mark.skipif(
    not shutil.which("curl") and os.environ.get("CI") != "true",
    reason="curl is missing: apt-get install curl, then its sample is tested too",
)
def test_the_curl_sample_runs(fake: FakeShipEngine) -> None:
    sample = SAMPLES["cURL"].replace(PRODUCTION, fake.url)
    assert fake.url in sample
    run(["bash", "-c", sample.replace("curl ", "curl --silent --show-error ", 1)], fake)
    assert fake.subscriptions == [PACKAGE]


def test_the_http_sample_is_answered(fake: FakeShipEngine) -> None:
    request = SAMPLES["HTTP"].replace("YOUR_API_KEY", fake.api_key).replace("\n", "\r\n") + "\r\n\r\n"
    host, _, port = fake.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 204 ")
    assert fake.subscriptions == [PACKAGE]


def test_the_error_catalogue_is_the_packages() -> None:
    assert spec_rules.error_catalogue(DOCUMENT) == {code: kind and kind.__name__ for code, kind in CODES.items()}


@pytest.mark.parametrize("status", [status for status in START["responses"] if status != "204"])
def test_an_answer_names_the_exception_that_its_status_becomes(status: str) -> None:
    answer: dict[str, Any] = DOCUMENT["components"]["responses"][START["responses"][status]["$ref"].rpartition("/")[2]]
    named = re.findall(r"`(\w+Error)`\s+in\s+Python", answer["description"])
    assert named == [exception_class(int(status.replace("XX", "09")), []).__name__]


def test_the_examples_of_failures_become_what_a_reader_expects() -> None:
    become = {}
    for status, reference in START["responses"].items():
        answer = DOCUMENT["components"]["responses"][reference["$ref"].rpartition("/")[2]]
        for name in answer.get("content", {}).get("application/json", {}).get("examples", {}):
            codes = [error["error_code"] for error in DOCUMENT["components"]["examples"][name]["value"]["errors"]]
            become[name] = exception_class(int(status.replace("XX", "09")), codes).__name__
    assert become == {
        "missing_tracking_number": "InvalidRequestError",
        "carrier_not_connected": "CarrierError",
        "tracking_not_supported": "CarrierError",
        "several_errors": "InvalidRequestError",
        "missing_key": "AuthenticationError",
        "trial_expired": "AccountError",
        "unknown_carrier_id": "NotFoundError",
        "rate_limit_exceeded": "RateLimitError",
        "system_error": "ServerError",
        "unlisted_code": "InvalidRequestError",
    }
