"""What the programs share, as a plugin of pytest. The clients find their key and their base URL in the environment."""

import pytest

from shipengine_tracking import APITimeoutError
from shipengine_tracking.testing import FakeShipEngine
from support import Caller

UNCONNECTED = {"tracking_number": "1Z", "carrier_code": "seko"}  # the fake server rejects it with 400


class FakeCaller(Caller):
    def __init__(self, kind: str, fake: FakeShipEngine):
        super().__init__(kind)
        self.fake = fake

    def call_mocked(self) -> None:
        """Make the calls that a program mocks: `start` times out once, `get` succeeds, `create_webhook` times out."""
        assert self.call(max_retries=1) is None
        assert self.call(operation="get").status_code == "IT"
        error = self.call({"url": "https://example.com/"}, operation="create_webhook", max_retries=1)
        assert isinstance(error, APITimeoutError)
        assert self.fake.requests == []


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest, fake_shipengine: FakeShipEngine) -> FakeCaller:
    return FakeCaller(request.param, fake_shipengine)
