from pathlib import Path

import pytest
import vcr
from calls import PACKAGE, both_clients, call, rejected_call

from shipengine_tracking.testing import FakeShipEngine


@both_clients
@pytest.mark.parametrize("replaying", ["sync", "async"])
def test_cassette_is_written_without_the_key_and_replayed(
    kind: str, replaying: str, fake_shipengine: FakeShipEngine, tmp_path: Path
) -> None:
    cassette, states = tmp_path / "cassette.yaml", []
    for client, mode in ((kind, "once"), (replaying, "none")):
        with vcr.use_cassette(str(cassette), filter_headers=["API-Key"], record_mode=mode):
            call(client, "start", **PACKAGE)
            states.append(call(client, "get", **PACKAGE))
            rejected_call(client)
    assert states[0] == states[1]
    assert [request.headers["API-Key"] for request in fake_shipengine.requests] == [fake_shipengine.api_key] * 3
    assert fake_shipengine.api_key not in cassette.read_text()
