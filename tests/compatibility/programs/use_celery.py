from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from calls import PACKAGE, UNCONNECTED, call
from celery import Celery
from celery.contrib.testing.worker import start_worker

from shipengine_tracking import CarrierError, Outcome, Package, TrackingClient, TrackingInformation
from shipengine_tracking.testing import FakeShipEngine


def start(package: dict[str, str]) -> tuple[TrackingInformation, list[Outcome]]:
    with TrackingClient() as client:
        client.start(**package)
        return client.get(**package), list(client.start_many([Package(**PACKAGE), Package(**UNCONNECTED)]))


@contextmanager
def worker(serializer: str) -> Iterator[Any]:
    """Run a worker in a thread of this process; yield the task."""
    app = Celery(broker="memory://", backend="cache+memory://")
    app.conf.update(result_serializer=serializer, accept_content=["pickle", "json"])
    task = app.task(start)
    with start_worker(app, perform_ping_check=False, loglevel="CRITICAL"):
        yield task


def test_pickled_results_and_exceptions_are_complete(fake_shipengine: FakeShipEngine) -> None:
    with worker("pickle") as task:
        state, outcomes = task.delay(PACKAGE).get(timeout=60)
        with pytest.raises(CarrierError) as caught:
            task.delay(UNCONNECTED).get(timeout=60)
    assert state == call("sync", "get", **PACKAGE)
    for error in (caught.value, *(outcome.error for outcome in outcomes if not outcome.ok)):
        assert (error.status_code, error.code, error.carrier_code) == (400, "carrier_not_connected", "seko")
        assert error.request_id == error.headers["request-id"]
    assert len(fake_shipengine.subscriptions) == len(outcomes) == 2


@pytest.mark.usefixtures("fake_shipengine")
def test_exceptions_as_json_keep_their_class_and_text() -> None:
    with worker("json") as task, pytest.raises(CarrierError, match=r"^400 carrier_not_connected: "):
        task.delay(UNCONNECTED).get(timeout=60)
