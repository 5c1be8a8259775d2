from http import HTTPStatus
from typing import Any, cast

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_response import ErrorResponse
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    carrier_code: str | Unset = UNSET,
    tracking_number: str | Unset = UNSET,
    carrier_id: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["carrier_code"] = carrier_code

    params["tracking_number"] = tracking_number

    params["carrier_id"] = carrier_id

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/tracking/start",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | ErrorResponse | str | None:
    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

    if response.status_code == 400:
        response_400 = ErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = ErrorResponse.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = ErrorResponse.from_dict(response.json())

        return response_404

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
) -> Response[Any | ErrorResponse | str]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    carrier_code: str | Unset = UNSET,
    tracking_number: str | Unset = UNSET,
    carrier_id: str | Unset = UNSET,
) -> Response[Any | ErrorResponse | str]:
    """Start tracking a package

     Subscribes a package to tracking updates. Identify the package by its tracking number and its
    carrier's code.
    Send the parameters in the query string, percent-encoded; ShipEngine rejects the call if they are in
    the body.
    The request and the response have no body.

    Args:
        carrier_code (str | Unset): ShipEngine's code of the carrier, such as `usps`, `ups`,
            `fedex` or `dhl_express`. ShipEngine adds codes for
            new carriers, so do not validate it against a list. The schema does not require it, but
            ShipEngine's
            documentation asks for it together with `tracking_number`.
        tracking_number (str | Unset): The carrier's tracking number, exactly as the carrier
            writes it. The schema does not require it, but an empty
            one results in a 400.
        carrier_id (str | Unset): ShipEngine's ID of a carrier that is connected to your account.
            What happens if you send it without
            `carrier_code` is not documented.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ErrorResponse | str]
    """

    kwargs = _get_kwargs(
        carrier_code=carrier_code,
        tracking_number=tracking_number,
        carrier_id=carrier_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    carrier_code: str | Unset = UNSET,
    tracking_number: str | Unset = UNSET,
    carrier_id: str | Unset = UNSET,
) -> Any | ErrorResponse | str | None:
    """Start tracking a package

     Subscribes a package to tracking updates. Identify the package by its tracking number and its
    carrier's code.
    Send the parameters in the query string, percent-encoded; ShipEngine rejects the call if they are in
    the body.
    The request and the response have no body.

    Args:
        carrier_code (str | Unset): ShipEngine's code of the carrier, such as `usps`, `ups`,
            `fedex` or `dhl_express`. ShipEngine adds codes for
            new carriers, so do not validate it against a list. The schema does not require it, but
            ShipEngine's
            documentation asks for it together with `tracking_number`.
        tracking_number (str | Unset): The carrier's tracking number, exactly as the carrier
            writes it. The schema does not require it, but an empty
            one results in a 400.
        carrier_id (str | Unset): ShipEngine's ID of a carrier that is connected to your account.
            What happens if you send it without
            `carrier_code` is not documented.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ErrorResponse | str
    """

    return sync_detailed(
        client=client,
        carrier_code=carrier_code,
        tracking_number=tracking_number,
        carrier_id=carrier_id,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    carrier_code: str | Unset = UNSET,
    tracking_number: str | Unset = UNSET,
    carrier_id: str | Unset = UNSET,
) -> Response[Any | ErrorResponse | str]:
    """Start tracking a package

     Subscribes a package to tracking updates. Identify the package by its tracking number and its
    carrier's code.
    Send the parameters in the query string, percent-encoded; ShipEngine rejects the call if they are in
    the body.
    The request and the response have no body.

    Args:
        carrier_code (str | Unset): ShipEngine's code of the carrier, such as `usps`, `ups`,
            `fedex` or `dhl_express`. ShipEngine adds codes for
            new carriers, so do not validate it against a list. The schema does not require it, but
            ShipEngine's
            documentation asks for it together with `tracking_number`.
        tracking_number (str | Unset): The carrier's tracking number, exactly as the carrier
            writes it. The schema does not require it, but an empty
            one results in a 400.
        carrier_id (str | Unset): ShipEngine's ID of a carrier that is connected to your account.
            What happens if you send it without
            `carrier_code` is not documented.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ErrorResponse | str]
    """

    kwargs = _get_kwargs(
        carrier_code=carrier_code,
        tracking_number=tracking_number,
        carrier_id=carrier_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    carrier_code: str | Unset = UNSET,
    tracking_number: str | Unset = UNSET,
    carrier_id: str | Unset = UNSET,
) -> Any | ErrorResponse | str | None:
    """Start tracking a package

     Subscribes a package to tracking updates. Identify the package by its tracking number and its
    carrier's code.
    Send the parameters in the query string, percent-encoded; ShipEngine rejects the call if they are in
    the body.
    The request and the response have no body.

    Args:
        carrier_code (str | Unset): ShipEngine's code of the carrier, such as `usps`, `ups`,
            `fedex` or `dhl_express`. ShipEngine adds codes for
            new carriers, so do not validate it against a list. The schema does not require it, but
            ShipEngine's
            documentation asks for it together with `tracking_number`.
        tracking_number (str | Unset): The carrier's tracking number, exactly as the carrier
            writes it. The schema does not require it, but an empty
            one results in a 400.
        carrier_id (str | Unset): ShipEngine's ID of a carrier that is connected to your account.
            What happens if you send it without
            `carrier_code` is not documented.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ErrorResponse | str
    """

    return (
        await asyncio_detailed(
            client=client,
            carrier_code=carrier_code,
            tracking_number=tracking_number,
            carrier_id=carrier_id,
        )
    ).parsed
