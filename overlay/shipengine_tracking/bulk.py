"""Many packages: the values that go in and come out of a bulk run, and what ends one. Pure."""

from __future__ import annotations

from typing import Any, TypeGuard

from attrs import frozen

from .exceptions import (
    AccountError,
    AuthenticationError,
    ClientStateError,
    InvalidArgumentError,
    RateLimitError,
    ShipEngineError,
)
from .retry import Stopped

# What fails for one package because of the account, or of the client, would fail for every other one.
ENDS_THE_RUN = (AuthenticationError, AccountError, RateLimitError, ClientStateError)


@frozen(kw_only=True)
class Package:
    """A package to start tracking: the arguments of `start`, which checks them."""

    tracking_number: str
    carrier_code: str | None = None
    carrier_id: str | None = None


@frozen
class Outcome:
    """What became of one package: `error` is None if it is tracked now. `package` is the value as it was given."""

    package: Package
    error: ShipEngineError | None = None

    @property
    def ok(self) -> bool:
        """Whether the package is tracked now."""
        return self.error is None


def check_packages(packages: object, kinds: type | tuple[type, ...]) -> None:
    """Refuse what packages cannot be read from."""
    if isinstance(packages, str | bytes | Package) or not isinstance(packages, kinds):
        raise InvalidArgumentError(
            f"packages must be an iterable of Package, not {type(packages).__name__}: one package goes into a list"
        )


def arguments(package: object) -> dict[str, Any]:
    """Return the arguments of `start` that a package stands for."""
    if not isinstance(package, Package):
        raise InvalidArgumentError(f"packages must yield Package, not {type(package).__name__}: wrap it in Package(…)")
    return {
        "tracking_number": package.tracking_number,
        "carrier_code": package.carrier_code,
        "carrier_id": package.carrier_id,
    }


def ends_the_run(error: BaseException) -> bool:
    """Return whether a failure is one of the whole run."""
    return isinstance(error, ENDS_THE_RUN) or not isinstance(error, ShipEngineError | Stopped)


def is_reported(error: BaseException) -> TypeGuard[ShipEngineError]:
    """Return whether a failure is the outcome of its package."""
    # Not what the end of the run has kept from being sent: that package has not been dealt with.
    if not isinstance(error, ShipEngineError) or isinstance(error, ClientStateError):
        return False
    return error.attempts > 0 or not ends_the_run(error)
