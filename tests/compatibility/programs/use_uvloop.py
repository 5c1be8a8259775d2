import asyncio

import uvloop
from calls import PACKAGE, UNCONNECTED

from shipengine_tracking import AsyncTrackingClient, CarrierError, Package
from shipengine_tracking.testing import FakeShipEngine


def test_asynchronous_client_works_in_the_event_loop(fake_shipengine: FakeShipEngine) -> None:
    async def main() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        async with AsyncTrackingClient() as client:
            await client.start(**PACKAGE)
            assert (await client.get(**PACKAGE)).status_code == "NY"
            packages = [Package(tracking_number=str(number), carrier_code="ups") for number in range(50)]
            errors = [outcome.error async for outcome in client.start_many([*packages, Package(**UNCONNECTED)])]
            assert [type(error) for error in errors if error] == [CarrierError]

    uvloop.run(main())
    assert len(fake_shipengine.subscriptions) == 51
