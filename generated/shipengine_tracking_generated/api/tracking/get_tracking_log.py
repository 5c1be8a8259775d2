from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.error_response import ErrorResponse
from ...models.tracking_information import TrackingInformation
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
        "method": "get",
        "url": "/v1/tracking",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorResponse | TrackingInformation | str | None:
    if response.status_code == 200:
        response_200 = TrackingInformation.from_dict(response.json())

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
) -> Response[ErrorResponse | TrackingInformation | str]:
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
) -> Response[ErrorResponse | TrackingInformation | str]:
    """Get the state of a package

     Returns the current state of a package and its events. The body is the same object as `data` in a
    tracking
    update. Send the parameters in the query string, percent-encoded.

    This operation requires the Advanced plan or higher. Every call counts towards the rate limit, so
    prefer the
    webhook to polling. ShipEngine does not document what it returns for a package that it does not
    know.

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
        Response[ErrorResponse | TrackingInformation | str]
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
) -> ErrorResponse | TrackingInformation | str | None:
    """Get the state of a package

     Returns the current state of a package and its events. The body is the same object as `data` in a
    tracking
    update. Send the parameters in the query string, percent-encoded.

    This operation requires the Advanced plan or higher. Every call counts towards the rate limit, so
    prefer the
    webhook to polling. ShipEngine does not document what it returns for a package that it does not
    know.

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
        ErrorResponse | TrackingInformation | str
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
) -> Response[ErrorResponse | TrackingInformation | str]:
    """Get the state of a package

     Returns the current state of a package and its events. The body is the same object as `data` in a
    tracking
    update. Send the parameters in the query string, percent-encoded.

    This operation requires the Advanced plan or higher. Every call counts towards the rate limit, so
    prefer the
    webhook to polling. ShipEngine does not document what it returns for a package that it does not
    know.

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
        Response[ErrorResponse | TrackingInformation | str]
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
) -> ErrorResponse | TrackingInformation | str | None:
    """Get the state of a package

     Returns the current state of a package and its events. The body is the same object as `data` in a
    tracking
    update. Send the parameters in the query string, percent-encoded.

    This operation requires the Advanced plan or higher. Every call counts towards the rate limit, so
    prefer the
    webhook to polling. ShipEngine does not document what it returns for a package that it does not
    know.

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
        ErrorResponse | TrackingInformation | str
    """

    return (
        await asyncio_detailed(
            client=client,
            carrier_code=carrier_code,
            tracking_number=tracking_number,
            carrier_id=carrier_id,
        )
    ).parsed
