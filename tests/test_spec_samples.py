"""What the spec says about the package is true: its samples run, and its error catalogue matches the package."""

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
from shipengine_tracking import TrackingClient
from shipengine_tracking.exceptions import CODES, exception_class
from shipengine_tracking.testing import FakeShipEngine, Subscription
from spec_places import operations, resolved

PRODUCTION = DOCUMENT["servers"][0]["url"]
OPERATIONS = {operation["operationId"]: operation for operation in operations(DOCUMENT)}
PACKAGE = Subscription("9405511899223197428490", "stamps_com", None)
EXPECTED = {  # per operation: subscriptions before and after, the status, and the output of the Python samples
    "start_tracking": ([], [PACKAGE], 204, ""),
    "stop_tracking": ([PACKAGE], [], 204, ""),
    "get_tracking_log": ([PACKAGE], [PACKAGE], 200, "NY Not Yet In System\n"),
}

each_operation = pytest.mark.parametrize("operation_id", list(EXPECTED))


def sample(operation_id: str, label: str) -> str:
    """Return the source of a sample."""
    samples: dict[str, str] = {one["label"]: one["source"] for one in OPERATIONS[operation_id]["x-codeSamples"]}
    return samples[label]


def prepare(fake: FakeShipEngine, operation_id: str) -> None:
    """Subscribe what the operation needs."""
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        for package in EXPECTED[operation_id][0]:
            client.start(tracking_number=package.tracking_number, carrier_code=package.carrier_code)


def run(command: list[str], fake: FakeShipEngine) -> str:
    """Run a command with the API key in the environment, and return its output."""
    settings = {"SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_samples_of_all_operations_are_tested() -> None:
    assert set(EXPECTED) == set(OPERATIONS)


@each_operation
@pytest.mark.parametrize("label", ["Python", "Python (async)"])
def test_python_sample_runs(operation_id: str, label: str, fake: FakeShipEngine) -> None:
    _, after, _, output = EXPECTED[operation_id]
    prepare(fake, operation_id)
    assert run([sys.executable, "-W", "error", "-c", sample(operation_id, label)], fake) == output
    assert fake.subscriptions == after


@pytest.mark.parametrize("label", ["Python", "Python (async)"])
def test_python_sample_of_get_prints_events(label: str, fake: FakeShipEngine) -> None:
    prepare(fake, "get_tracking_log")
    fake.update(PACKAGE.tracking_number, "IT")
    output = run([sys.executable, "-c", sample("get_tracking_log", label)], fake)
    assert re.fullmatch(r"IT In Transit\n\S+ \S+ In Transit\n", output)


def test_python_sample_of_start_prints_the_error_of_an_unconnected_carrier(fake: FakeShipEngine) -> None:
    source = sample("start_tracking", "Python").replace(PACKAGE.carrier_code or "", "purolator_ca")
    assert run([sys.executable, "-c", source], fake).startswith("Connect the carrier first: ")
    assert fake.subscriptions == []


@each_operation
@pytest.mark.skipif(
    not shutil.which("curl") and os.environ.get("CI") != "true",
    reason="curl is missing: apt-get install curl, then its samples are tested too",
)
def test_curl_sample_runs(operation_id: str, fake: FakeShipEngine) -> None:
    _, after, status, _ = EXPECTED[operation_id]
    prepare(fake, operation_id)
    source = sample(operation_id, "cURL").replace(PRODUCTION, fake.url)
    assert fake.url in source
    output = run(["bash", "-c", source.replace("curl ", "curl --silent --show-error ", 1)], fake)
    assert bool(output) == (status == 200)
    assert fake.subscriptions == after


@each_operation
def test_http_sample_succeeds(operation_id: str, fake: FakeShipEngine) -> None:
    _, after, status, _ = EXPECTED[operation_id]
    prepare(fake, operation_id)
    request = sample(operation_id, "HTTP").replace("YOUR_API_KEY", fake.api_key).replace("\n", "\r\n") + "\r\n\r\n"
    host, _, port = fake.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        assert connection.recv(1000).startswith(f"HTTP/1.1 {status} ".encode())
    assert fake.subscriptions == after


def test_error_catalogue_matches_the_package() -> None:
    catalogue = spec_rules.error_catalogue(DOCUMENT)
    assert {code: name for code, name in catalogue.items() if name} == {c: kind.__name__ for c, kind in CODES.items()}


FAILURES: dict[str, dict[str, Any]] = {
    status: resolved(DOCUMENT, response)
    for status, response in OPERATIONS["start_tracking"]["responses"].items()
    if status[0] != "2"
}


@pytest.mark.parametrize("status", list(FAILURES))
def test_error_response_names_the_exception_of_its_status(status: str) -> None:
    named = re.findall(r"Python\s+raises\s+`(\w+Error)`", FAILURES[status]["description"])
    assert named == [exception_class(int(status.replace("XX", "09")), []).__name__]


def test_examples_of_errors_become_the_expected_exceptions() -> None:
    become = {}
    for status, response in FAILURES.items():
        for name in response["content"].get("application/json", {}).get("examples", {}):
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
