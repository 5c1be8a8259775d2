"""`stop`: ends a subscription; a 404 after a lost response means that the lost request was processed."""

from __future__ import annotations

import pytest

from shipengine_tracking import NotFoundError
from shipengine_tracking._http import flow
from shipengine_tracking.testing import FakeShipEngine, Response, error
from support import Caller

NOT_FOUND = error(404, "not_found", "Not tracked.")


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "FIRST_BACKOFF", 0.001)


def test_stop_ends_the_subscription(fake: FakeShipEngine, caller: Caller) -> None:
    caller.call_fake(fake)
    assert caller.call_fake(fake, operation="stop") is None
    assert fake.subscriptions == []
    assert type(caller.call_fake(fake, operation="stop")) is NotFoundError


@pytest.mark.parametrize(
    ("operation", "first", "result_class"),
    [
        pytest.param("stop", Response(b"", "reset"), type(None), id="reset"),
        pytest.param("stop", Response(b"", "close"), type(None), id="close"),
        pytest.param("stop", Response(b"HTTP/1.1 204 No Con", "close"), type(None), id="cut"),
        pytest.param("stop", Response(b"", "hang"), type(None), id="timeout"),
        *(pytest.param("stop", Response.of(status), type(None), id=f"{status}") for status in (502, 504, 520, 524)),
        *(pytest.param("stop", Response.of(status), NotFoundError, id=f"{status}") for status in (429, 500, 503, 522)),
        pytest.param("start", Response(b"", "reset"), NotFoundError, id="start"),
        pytest.param("get", Response(b"", "reset"), NotFoundError, id="get"),
    ],
)
def test_404_of_stop_is_a_success_only_after_a_lost_response(
    operation: str, first: Response, result_class: type, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(first, NOT_FOUND)
    timeout = 1.0 if first.then == "hang" else 30.0
    assert type(caller.call_fake(fake, operation=operation, max_retries=1, timeout=timeout)) is result_class
    assert len(fake.requests) == 2
