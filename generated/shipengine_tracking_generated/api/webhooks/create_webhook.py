from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.create_webhook_request import CreateWebhookRequest
from ...models.error_response import ErrorResponse
from ...models.webhook import Webhook
from ...types import Response


def _get_kwargs(
    *,
    body: CreateWebhookRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/environment/webhooks",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorResponse | Webhook | str | None:
    if response.status_code == 200:
        response_200 = Webhook.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = ErrorResponse.from_dict(response.json())

        return response_403

    if response.status_code == 409:
        response_409 = ErrorResponse.from_dict(response.json())

        return response_409

    if response.status_code == 429:
        response_429 = ErrorResponse.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = ErrorResponse.from_dict(response.json())

        return response_500

    if 400 <= response.status_code <= 499:
        response_4xx = ErrorResponse.from_dict(response.json())

        return response_4xx

    if 500 <= response.status_code <= 599:
        response_5xx = response.text
        return response_5xx

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorResponse | Webhook | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: CreateWebhookRequest,
) -> Response[ErrorResponse | Webhook | str]:
    """Register a webhook

     Registers a URL for one event. Choose the event `track` to receive tracking updates. Through the
    API, an event
    can have only one webhook: a second one results in a 409. The dashboard allows several. If the
    response is
    lost, list the webhooks before you register again.

    ShipEngine sends your custom headers with each delivery. They do not replace the signature, which
    every
    receiver must verify.

    ShipEngine's guides use `/v1/environments/webhooks`, but its API document has the path shown here.

    Args:
        body (CreateWebhookRequest): A webhook to register.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | Webhook | str]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: CreateWebhookRequest,
) -> ErrorResponse | Webhook | str | None:
    """Register a webhook

     Registers a URL for one event. Choose the event `track` to receive tracking updates. Through the
    API, an event
    can have only one webhook: a second one results in a 409. The dashboard allows several. If the
    response is
    lost, list the webhooks before you register again.

    ShipEngine sends your custom headers with each delivery. They do not replace the signature, which
    every
    receiver must verify.

    ShipEngine's guides use `/v1/environments/webhooks`, but its API document has the path shown here.

    Args:
        body (CreateWebhookRequest): A webhook to register.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | Webhook | str
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: CreateWebhookRequest,
) -> Response[ErrorResponse | Webhook | str]:
    """Register a webhook

     Registers a URL for one event. Choose the event `track` to receive tracking updates. Through the
    API, an event
    can have only one webhook: a second one results in a 409. The dashboard allows several. If the
    response is
    lost, list the webhooks before you register again.

    ShipEngine sends your custom headers with each delivery. They do not replace the signature, which
    every
    receiver must verify.

    ShipEngine's guides use `/v1/environments/webhooks`, but its API document has the path shown here.

    Args:
        body (CreateWebhookRequest): A webhook to register.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | Webhook | str]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: CreateWebhookRequest,
) -> ErrorResponse | Webhook | str | None:
    """Register a webhook

     Registers a URL for one event. Choose the event `track` to receive tracking updates. Through the
    API, an event
    can have only one webhook: a second one results in a 409. The dashboard allows several. If the
    response is
    lost, list the webhooks before you register again.

    ShipEngine sends your custom headers with each delivery. They do not replace the signature, which
    every
    receiver must verify.

    ShipEngine's guides use `/v1/environments/webhooks`, but its API document has the path shown here.

    Args:
        body (CreateWebhookRequest): A webhook to register.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | Webhook | str
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
