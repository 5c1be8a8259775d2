from pathlib import Path

import vcr
from calls import UNCONNECTED, FakeCaller


def test_cassette_is_written_without_the_key_and_replayed(caller: FakeCaller, tmp_path: Path) -> None:
    cassette, results = tmp_path / "cassette.yaml", []
    for mode in ("once", "none"):
        with vcr.use_cassette(str(cassette), filter_headers=["API-Key"], record_mode=mode):
            results.append(repr([caller.call(), caller.call(operation="get"), caller.call(UNCONNECTED)]))
    assert results[0] == results[1]
    assert [request.headers["API-Key"] for request in caller.fake.requests] == [caller.fake.api_key] * 3
    assert caller.fake.api_key not in cassette.read_text()
