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
    ("first", "result_class"),
    [
        pytest.param(Response(b"", "reset"), type(None), id="reset"),
        pytest.param(Response(b"", "close"), type(None), id="close"),
        pytest.param(Response(b"HTTP/1.1 204 No Con", "close"), type(None), id="cut"),
        pytest.param(Response(b"", "hang"), type(None), id="timeout"),
        pytest.param(Response.of(502), type(None), id="502"),
        pytest.param(Response.of(504), type(None), id="504"),
        *(pytest.param(Response.of(status), NotFoundError, id=str(status)) for status in (429, 500, 503, 520)),
    ],
)
def test_stop_succeeds_with_a_404_only_after_a_lost_response(
    first: Response, result_class: type, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(first, NOT_FOUND)
    timeout = 1.0 if first.then == "hang" else 30.0
    assert type(caller.call_fake(fake, operation="stop", max_retries=1, timeout=timeout)) is result_class
    assert len(fake.requests) == 2


@pytest.mark.parametrize("operation", ["start", "get"])
def test_404_after_a_lost_response_is_not_found_for_other_operations(
    operation: str, fake: FakeShipEngine, caller: Caller
) -> None:
    fake.enqueue(Response(b"", "reset"), NOT_FOUND)
    assert type(caller.call_fake(fake, operation=operation, max_retries=1)) is NotFoundError
