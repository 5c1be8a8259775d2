import uvloop

from shipengine_tracking import AsyncTrackingClient, Package
from shipengine_tracking.testing import FakeShipEngine


def test_asynchronous_client_works_in_the_event_loop(fake_shipengine: FakeShipEngine) -> None:
    async def main() -> None:
        async with AsyncTrackingClient() as client:
            packages = [Package(tracking_number=str(number), carrier_code="ups") for number in range(50)]
            assert [outcome.error async for outcome in client.start_many(packages)] == [None] * 50

    uvloop.run(main())
    assert len(fake_shipengine.subscriptions) == 50
