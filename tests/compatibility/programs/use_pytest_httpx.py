import httpx
import pytest
from calls import PACKAGE, both_clients, call
from pytest_httpx import HTTPXMock

from shipengine_tracking import APITimeoutError
from shipengine_tracking.testing import FakeShipEngine


@both_clients
def test_mocked_responses_reach_the_client(kind: str, fake_shipengine: FakeShipEngine, httpx_mock: HTTPXMock) -> None:
    start = httpx.URL(f"{fake_shipengine.url}/v1/tracking/start", params=PACKAGE)
    httpx_mock.add_exception(httpx.ReadTimeout("slow"), url=start)
    httpx_mock.add_response(url=start, match_headers={"API-Key": fake_shipengine.api_key}, status_code=204)
    httpx_mock.add_response(method="GET", json={"status_code": "IT"})
    httpx_mock.add_exception(httpx.ReadTimeout("slow"), match_json={"event": "track", "url": "https://example.com/"})
    call(kind, "start", **PACKAGE)
    assert call(kind, "get", **PACKAGE).status_code == "IT"
    with pytest.raises(APITimeoutError):
        call(kind, "create_webhook", url="https://example.com/")
    assert fake_shipengine.requests == []
