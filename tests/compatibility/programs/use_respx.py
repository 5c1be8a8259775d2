import httpx
import pytest
import respx
from calls import PACKAGE, both_clients, call

from shipengine_tracking import APITimeoutError
from shipengine_tracking.testing import FakeShipEngine


@both_clients
@pytest.mark.parametrize("using", ["httpcore", "httpx"])
def test_mocked_responses_reach_the_client(using: str, kind: str, fake_shipengine: FakeShipEngine) -> None:
    with respx.mock(base_url=f"{fake_shipengine.url}/v1", using=using) as router:
        start = router.post("/tracking/start", params=PACKAGE)
        start.side_effect = [httpx.ReadTimeout, httpx.Response(204)]
        router.get("/tracking").respond(json={"status_code": "IT"})
        router.post("/environment/webhooks").mock(side_effect=httpx.ReadTimeout)
        call(kind, "start", **PACKAGE)
        assert call(kind, "get", **PACKAGE).status_code == "IT"
        with pytest.raises(APITimeoutError):
            call(kind, "create_webhook", url="https://example.com/")
    assert [each.request.headers["API-Key"] for each in start.calls] == [fake_shipengine.api_key] * 2
    assert fake_shipengine.requests == []
