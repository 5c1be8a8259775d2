"""The code samples in the spec run, and its error catalogue and error responses match the package."""

import json
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
from shipengine_tracking.exceptions import CODES, exception_class
from shipengine_tracking.testing import FakeShipEngine, Subscription
from spec_lookup import needs_key, operations, resolved

PRODUCTION = DOCUMENT["servers"][0]["url"]
OPERATIONS = {operation["operationId"]: operation for operation in operations(DOCUMENT)}
RECEIVER = DOCUMENT["webhooks"]["tracking_update"]["post"]["x-codeSamples"][0]["source"]
PACKAGE = Subscription("9405511899223197428490", "stamps_com", None)
WEBHOOK_ID = "se-3150628"
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
    "get_tracking_log": Expected(200, "NY Not Yet In System\n", subscriptions=([PACKAGE], [PACKAGE])),
    "list_webhooks": Expected(200, rf"se-\S+ track {URL}\n", webhooks=([URL], [URL])),
    "create_webhook": Expected(200, r"Registered se-\S+\n", webhooks=([], [URL])),
    "update_webhook": Expected(204, webhooks=([URL], [NEW_URL])),
    "delete_webhook": Expected(204, webhooks=([URL], [])),
    "get_jwks": Expected(200, r"(\S+ (RSA|EC)\n)+"),
}


class Account:
    """A fake server in the state that an operation needs."""

    def __init__(self, fake: FakeShipEngine, operation_id: str):
        self.fake, self.operation_id, self.expected = fake, operation_id, EXPECTED[operation_id]
        self.webhook_id = WEBHOOK_ID
        with self.client() as client:
            for package in self.expected.subscriptions[0]:
                client.start(tracking_number=package.tracking_number, carrier_code=package.carrier_code)
            for url in self.expected.webhooks[0]:
                self.webhook_id = client.create_webhook(url, event="track").webhook_id

    def client(self) -> TrackingClient:
        """Return a client for this account."""
        return TrackingClient(self.fake.api_key, base_url=self.fake.url)

    def sample(self, label: str) -> str:
        """Return a sample with the address of the fake server and the ID of the webhook that it has."""
        source = sample(self.operation_id, label)
        return source.replace(PRODUCTION, self.fake.url).replace(WEBHOOK_ID, self.webhook_id)

    def run(self, *command: str) -> str:
        """Run a command with the API key in the environment, and return its output."""
        settings = os.environ | {"SHIPENGINE_API_KEY": self.fake.api_key, "SHIPENGINE_BASE_URL": self.fake.url}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def run_python(self, source: str) -> str:
        """Run a Python sample, and return its output."""
        return self.run(sys.executable, "-W", "error", "-c", source)

    def send(self, source: str) -> int:
        """Send an HTTP sample, and return the status of the response."""
        head, _, body = source.replace("YOUR_API_KEY", self.fake.api_key).partition("\n\n")
        host, _, port = self.fake.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body.encode())
            return int(connection.makefile().readline().split()[1])

    def check(self) -> None:
        """Assert that the operation had its effect."""
        assert self.fake.subscriptions == self.expected.subscriptions[1]
        with self.client() as client:
            assert [webhook.url for webhook in client.list_webhooks()] == self.expected.webhooks[1]


def sample(operation_id: str, label: str) -> str:
    """Return the source of a sample."""
    samples: dict[str, str] = {one["label"]: one["source"] for one in OPERATIONS[operation_id]["x-codeSamples"]}
    return samples[label]


@pytest.mark.parametrize("operation_id", OPERATIONS)
@pytest.mark.parametrize("label", ["HTTP", pytest.param("cURL", marks=CURL), "Python", "Python (async)"])
def test_sample_runs_and_has_its_effect(operation_id: str, label: str, fake: FakeShipEngine) -> None:
    account = Account(fake, operation_id)
    source = account.sample(label)
    if label == "HTTP":
        assert account.send(source) == account.expected.status
    elif label == "cURL":
        assert fake.url in source
        output = account.run("bash", "-c", source.replace("curl ", "curl --silent --show-error ", 1))
        assert bool(output) == (account.expected.status == 200)
    else:
        assert re.fullmatch(account.expected.output, account.run_python(source))
    account.check()


@pytest.mark.parametrize("label", ["Python", "Python (async)"])
def test_sample_of_get_prints_events(label: str, fake: FakeShipEngine) -> None:
    account = Account(fake, "get_tracking_log")
    fake.update(PACKAGE.tracking_number, "IT")
    assert re.fullmatch(r"IT In Transit\n\S+ \S+ In Transit\n", account.run_python(account.sample(label)))


def test_sample_of_start_prints_that_a_carrier_is_not_connected(fake: FakeShipEngine) -> None:
    source = sample("start_tracking", "Python").replace("stamps_com", "purolator_ca")
    assert Account(fake, "start_tracking").run_python(source).startswith("Connect the carrier first: ")
    assert fake.subscriptions == []


def test_sample_of_registration_prints_a_conflict(fake: FakeShipEngine) -> None:
    account = Account(fake, "list_webhooks")
    assert account.run_python(sample("create_webhook", "Python")).startswith("Not registered: ")
    account.check()


@pytest.mark.parametrize("operation_id", [name for name, one in OPERATIONS.items() if "requestBody" in one])
def test_body_of_a_sample_is_an_example_of_the_spec(operation_id: str) -> None:
    media = OPERATIONS[operation_id]["requestBody"]["content"]["application/json"]
    head, _, body = sample(operation_id, "HTTP").partition("\n\n")
    assert json.loads(body) in [resolved(DOCUMENT, example)["value"] for example in media["examples"].values()]
    assert f"Content-Length: {len(body.encode())}" in head.splitlines()
    assert f"--data '{body}'" in sample(operation_id, "cURL")


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
    assert {code: name for code, name in catalogue.items() if name} == {c: kind.__name__ for c, kind in CODES.items()}


# By the name of the component: the status, and the response.
FAILURES: dict[str, tuple[str, Any]] = {
    response["$ref"].rpartition("/")[2]: (status, resolved(DOCUMENT, response))
    for operation in OPERATIONS.values()
    if needs_key(operation)
    for status, response in operation["responses"].items()
    if status[0] != "2"
}


@pytest.mark.parametrize("name", list(FAILURES))
def test_error_response_names_the_exception_of_its_status(name: str) -> None:
    status, response = FAILURES[name]
    named = re.findall(r"Python\s+raises\s+`(\w+Error)`", response["description"])
    assert named == [exception_class(int(status.replace("XX", "09")), []).__name__]


def test_examples_of_errors_become_the_expected_exceptions() -> None:
    become: dict[str, set[str]] = {}
    for status, response in FAILURES.values():
        for name in response["content"].get("application/json", {}).get("examples", {}):
            codes = [error["error_code"] for error in DOCUMENT["components"]["examples"][name]["value"]["errors"]]
            kind = exception_class(int(status.replace("XX", "09")), codes)
            become.setdefault(kind.__name__, set()).add(name)
    assert become == {
        "AccountError": {"trial_expired"},
        "AuthenticationError": {"missing_key"},
        "CarrierError": {"carrier_not_connected", "tracking_not_supported"},
        "InvalidRequestError": {
            *("missing_tracking_number", "several_errors", "missing_url", "malformed_webhook_id"),
            *("webhook_event_type_conflict", "unlisted_code"),
        },
        "NotFoundError": {"unknown_carrier_id", "unknown_webhook_id"},
        "RateLimitError": {"rate_limit_exceeded"},
        "ServerError": {"system_error"},
    }
