"""A client library for accessing ShipEngine tracking subscriptions"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)
