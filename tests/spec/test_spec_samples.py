"""The code samples in the spec run, and its error catalogue and error responses match the package."""

import os
import re
import shutil
import socket
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

import spec_rules
from document import DOCUMENT
from shipengine_tracking import TrackingClient
from shipengine_tracking.exceptions import CLASS_BY_CODE, exception_class
from shipengine_tracking.testing import FakeShipEngine, Subscription
from spec_lookup import needs_key, operations, resolved

PRODUCTION = DOCUMENT["servers"][0]["url"]
OPERATIONS = {operation["operationId"]: operation for operation in operations(DOCUMENT)}
RECEIVER = DOCUMENT["webhooks"]["tracking_update"]["post"]["x-codeSamples"][0]["source"]
PACKAGE = Subscription("9405511899223197428490", "stamps_com", None)
PYTHON = (sys.executable, "-W", "error", "-c")
URL, NEW_URL = "https://example.com/shipengine", "https://example.com/shipengine/v2"
CURL = pytest.mark.skipif(
    not shutil.which("curl") and os.environ.get("CI") != "true",
    reason="curl is missing: apt-get install curl, then its samples are tested too",
)


class Expected(NamedTuple):
    """What the samples of an operation need and do."""

    status: int
    output: str = ""  # of the Python samples; a pattern
    subscriptions: tuple[list[Subscription], list[Subscription]] = ([], [])  # before and after
    webhooks: tuple[list[str], list[str]] = ([], [])  # the registered URLs, before and after


EXPECTED = {
    "start_tracking": Expected(204, subscriptions=([], [PACKAGE])),
    "stop_tracking": Expected(204, subscriptions=([PACKAGE], [])),
    "get_tracking_log": Expected(200, r"IT In Transit\n\S+ \S+ In Transit\n", subscriptions=([PACKAGE], [PACKAGE])),
    "list_webhooks": Expected(200, rf"se-\S+ track {URL}\n", webhooks=([URL], [URL])),
    "create_webhook": Expected(200, r"Registered se-\S+\n", webhooks=([], [URL])),
    "update_webhook": Expected(204, webhooks=([URL], [NEW_URL])),
    "delete_webhook": Expected(204, webhooks=([URL], [])),
    "get_jwks": Expected(200, r"(\S+ (RSA|EC)\n)+"),
}


def prepare(fake: FakeShipEngine, expected: Expected) -> None:
    """Create the subscriptions and webhooks that an operation needs."""
    with TrackingClient(fake.api_key, base_url=fake.url) as client:
        for package in expected.subscriptions[0]:
            client.start(tracking_number=package.tracking_number, carrier_code=package.carrier_code)
            fake.update(package.tracking_number, "IT")
        for url in expected.webhooks[0]:
            client.create_webhook(url)


def sample(operation_id: str, label: str) -> str:
    """Return the source of a sample."""
    samples: dict[str, str] = {one["label"]: one["source"] for one in OPERATIONS[operation_id]["x-codeSamples"]}
    return samples[label]


def run(fake: FakeShipEngine, *command: str) -> str:
    """Run a command against a fake server, with its API key in the environment, and return the output."""
    local = [word.replace(PRODUCTION, fake.url) for word in command]
    settings = os.environ | {"SHIPENGINE_API_KEY": fake.api_key, "SHIPENGINE_BASE_URL": fake.url}
    done = subprocess.run(local, env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def send(fake: FakeShipEngine, source: str) -> int:
    """Send an HTTP sample, and return the status of the response."""
    head, _, body = source.replace("YOUR_API_KEY", fake.api_key).partition("\n\n")
    host, _, port = fake.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body.encode())
        return int(connection.makefile().readline().split()[1])


@pytest.mark.parametrize("operation_id", OPERATIONS)
@pytest.mark.parametrize("label", ["HTTP", pytest.param("cURL", marks=CURL), "Python", "Python (async)"])
def test_sample_runs_and_has_its_effect(operation_id: str, label: str, fake: FakeShipEngine) -> None:
    expected, source = EXPECTED[operation_id], sample(operation_id, label)
    prepare(fake, expected)
    if label == "HTTP":
        assert send(fake, source) == expected.status
    elif label == "cURL":
        command = source.replace("curl ", "curl --silent --show-error ", 1)
        assert bool(run(fake, "bash", "-c", command)) == (expected.status == 200)
    else:
        assert re.fullmatch(expected.output, run(fake, *PYTHON, source))
    assert fake.subscriptions == expected.subscriptions[1]
    assert [webhook["url"] for webhook in fake.webhooks] == expected.webhooks[1]


def test_python_sample_prints_the_error_that_it_catches(fake: FakeShipEngine) -> None:
    not_connected = sample("start_tracking", "Python").replace("stamps_com", "purolator_ca")
    assert run(fake, *PYTHON, not_connected).startswith("Connect the carrier first: ")
    prepare(fake, EXPECTED["list_webhooks"])
    assert run(fake, *PYTHON, sample("create_webhook", "Python")).startswith("Not registered: ")


def test_sample_of_the_webhook_verifies_updates(
    fake: FakeShipEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHIPENGINE_BASE_URL", fake.url)
    receiver: dict[str, Any] = {"__name__": "receiver"}
    exec(RECEIVER, receiver)
    post = receiver["app"].test_client().post
    update = fake.update(PACKAGE.tracking_number, "DE")

    assert post("/shipengine", headers=update.headers, data=update.body).status_code == 204
    assert capsys.readouterr().out == f"{PACKAGE.tracking_number} is DE\n"
    forged = post("/shipengine", headers=update.headers, data=update.body.replace(b"DE", b"EX"))
    assert (forged.status_code, capsys.readouterr().out) == (401, "")


def test_error_catalogue_matches_the_package() -> None:
    catalogue = spec_rules.error_catalogue(DOCUMENT)
    by_code = {code: kind.__name__ for code, kind in CLASS_BY_CODE.items()}
    assert {code: name for code, name in catalogue.items() if name} == by_code


def test_error_responses_name_the_exception_of_their_status() -> None:
    for operation in filter(needs_key, OPERATIONS.values()):
        for status, response in operation["responses"].items():
            if status[0] != "2":
                text = resolved(DOCUMENT, response)["description"]
                kind = exception_class(int(status.replace("XX", "09")), [])
                assert re.findall(r"Python\s+raises\s+`(\w+Error)`", text) == [kind.__name__], text
