"""The same call with both clients, which find their key and their base URL in the environment."""

import asyncio
from typing import Any

import pytest

from shipengine_tracking import AsyncTrackingClient, CarrierError, TrackingClient

PACKAGE = {"tracking_number": "9361269903502070406152", "carrier_code": "stamps_com"}
UNCONNECTED = {"tracking_number": "1Z", "carrier_code": "seko"}
both_clients = pytest.mark.parametrize("kind", ["sync", "async"])


def call(kind: str, operation: str, **arguments: Any) -> Any:
    async def call_async() -> Any:
        async with AsyncTrackingClient() as client:
            return await getattr(client, operation)(**arguments)

    if kind == "async":
        return asyncio.run(call_async())
    with TrackingClient() as client:
        return getattr(client, operation)(**arguments)


def rejected_call(kind: str) -> CarrierError:
    with pytest.raises(CarrierError) as caught:
        call(kind, "start", **UNCONNECTED)
    assert (caught.value.status_code, caught.value.code) == (400, "carrier_not_connected")
    return caught.value
