from http import HTTPStatus
from typing import Any, cast

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.json_web_key_set import JsonWebKeySet
from ...types import Response


def _get_kwargs() -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/jwks",
    }

    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | JsonWebKeySet | None:
    if response.status_code == 200:
        response_200 = JsonWebKeySet.from_dict(response.json())

        return response_200

    if 400 <= response.status_code <= 499:
        response_4xx = cast(Any, None)
        return response_4xx

    if 500 <= response.status_code <= 599:
        response_5xx = cast(Any, None)
        return response_5xx

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Any | JsonWebKeySet]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
) -> Response[Any | JsonWebKeySet]:
    """Get the public keys that verify signatures

     Returns the JSON Web Key Set (RFC 7517) with the public keys that verify the deliveries to your
    webhooks. This
    operation needs no API key. ShipEngine's API document does not contain it; the description is based
    on
    observation.

    Cache the set, and fetch it again if a delivery names a key that the set lacks. Limit how often you
    do so,
    because anyone can post a forged delivery with an unknown key ID. In Python, `webhooks.Verifier`
    does all of
    this. Call this operation yourself only for other purposes.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | JsonWebKeySet]
    """

    kwargs = _get_kwargs()

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
) -> Any | JsonWebKeySet | None:
    """Get the public keys that verify signatures

     Returns the JSON Web Key Set (RFC 7517) with the public keys that verify the deliveries to your
    webhooks. This
    operation needs no API key. ShipEngine's API document does not contain it; the description is based
    on
    observation.

    Cache the set, and fetch it again if a delivery names a key that the set lacks. Limit how often you
    do so,
    because anyone can post a forged delivery with an unknown key ID. In Python, `webhooks.Verifier`
    does all of
    this. Call this operation yourself only for other purposes.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | JsonWebKeySet
    """

    return sync_detailed(
        client=client,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
) -> Response[Any | JsonWebKeySet]:
    """Get the public keys that verify signatures

     Returns the JSON Web Key Set (RFC 7517) with the public keys that verify the deliveries to your
    webhooks. This
    operation needs no API key. ShipEngine's API document does not contain it; the description is based
    on
    observation.

    Cache the set, and fetch it again if a delivery names a key that the set lacks. Limit how often you
    do so,
    because anyone can post a forged delivery with an unknown key ID. In Python, `webhooks.Verifier`
    does all of
    this. Call this operation yourself only for other purposes.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | JsonWebKeySet]
    """

    kwargs = _get_kwargs()

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
) -> Any | JsonWebKeySet | None:
    """Get the public keys that verify signatures

     Returns the JSON Web Key Set (RFC 7517) with the public keys that verify the deliveries to your
    webhooks. This
    operation needs no API key. ShipEngine's API document does not contain it; the description is based
    on
    observation.

    Cache the set, and fetch it again if a delivery names a key that the set lacks. Limit how often you
    do so,
    because anyone can post a forged delivery with an unknown key ID. In Python, `webhooks.Verifier`
    does all of
    this. Call this operation yourself only for other purposes.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | JsonWebKeySet
    """

    return (
        await asyncio_detailed(
            client=client,
        )
    ).parsed
