"""A ShipEngine to test against: a real HTTP server on loopback that answers as the API does.

    with FakeShipEngine() as fake, TrackingClient(fake.api_key, base_url=fake.url) as client:
        client.start(tracking_number="9361269903502070406152", carrier_code="stamps_com")
        assert fake.subscriptions == [Subscription("9361269903502070406152", "stamps_com", None)]

`python -m shipengine_tracking.testing --port 8080` serves it to programs in any language.
"""

from .answers import Answer, Request, Subscription, error
from .deliveries import Delivery
from .server import FakeShipEngine
from .weather import RateLimit, Weather

__all__ = ["Answer", "Delivery", "FakeShipEngine", "RateLimit", "Request", "Subscription", "Weather", "error"]
