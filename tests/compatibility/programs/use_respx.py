import httpx
import respx
from calls import FakeCaller

from support import PACKAGE


def test_mocked_responses_reach_the_client(caller: FakeCaller) -> None:
    with respx.mock(base_url=f"{caller.fake.url}/v1") as router:
        start = router.post("/tracking/start", params=PACKAGE, headers={"API-Key": caller.fake.api_key})
        start.side_effect = [httpx.ReadTimeout, httpx.Response(204)]
        router.get("/tracking").respond(json={"status_code": "IT"})
        router.post("/environment/webhooks").mock(side_effect=httpx.ReadTimeout)
        caller.call_mocked()
