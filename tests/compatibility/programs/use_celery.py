import pytest
from calls import UNCONNECTED
from celery import Celery
from celery.contrib.testing.worker import start_worker

from shipengine_tracking import CarrierError, TrackingClient


def start(package: dict[str, str]) -> None:
    with TrackingClient() as client:
        client.start(**package)


@pytest.mark.usefixtures("fake_shipengine")
@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_exception_of_a_task_is_complete_or_keeps_its_class_and_text(serializer: str) -> None:
    app = Celery(broker="memory://", backend="cache+memory://")
    app.conf.update(result_serializer=serializer, accept_content=["pickle", "json"])
    task = app.task(start)
    with start_worker(app, perform_ping_check=False), pytest.raises(CarrierError, match="400 ") as caught:
        task.delay(UNCONNECTED).get(timeout=60)
    if serializer == "pickle":
        assert (caught.value.code, caught.value.carrier_code) == ("carrier_not_connected", "seko")
        assert caught.value.request_id == caught.value.headers["request-id"]
