import httpx
from calls import FakeCaller
from pytest_httpx import HTTPXMock

from support import PACKAGE


def test_mocked_responses_reach_the_client(caller: FakeCaller, httpx_mock: HTTPXMock) -> None:
    start = httpx.URL(f"{caller.fake.url}/v1/tracking/start", params=PACKAGE)
    httpx_mock.add_exception(httpx.ReadTimeout("slow"), url=start)
    httpx_mock.add_response(url=start, match_headers={"API-Key": caller.fake.api_key}, status_code=204)
    httpx_mock.add_response(method="GET", json={"status_code": "IT"})
    httpx_mock.add_exception(httpx.ReadTimeout("slow"), match_json={"event": "track", "url": "https://example.com/"})
    caller.call_mocked()
