from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="JsonWebKey")


@_attrs_define
class JsonWebKey:
    """A public key, as RFC 7517 and RFC 7518 define it. Other members may be present. The type of the key decides
    which members it has: an RSA key has `n` and `e`, an elliptic-curve key has `crv`, `x` and `y`.

        Attributes:
            kty (str): The type of the key. Deliveries are signed with `RSA` keys.
            kid (str | Unset): The ID of the key. A delivery names it in the header `x-shipengine-rsa-sha256-key-id`.
            use (str | Unset): What the key is for. Do not verify signatures with a key that has a value other than `sig`.
            alg (str | Unset): The algorithm that the key is for.
            n (str | Unset): The modulus of an RSA key, in base64url without padding. The example is shortened.
            e (str | Unset): The exponent of an RSA key, in base64url without padding.
            crv (str | Unset): The curve of an elliptic-curve key.
            x (str | Unset): The x coordinate of an elliptic-curve key, in base64url without padding. The example is
                shortened.
            y (str | Unset): The y coordinate of an elliptic-curve key, in base64url without padding. The example is
                shortened.
    """

    kty: str
    kid: str | Unset = UNSET
    use: str | Unset = UNSET
    alg: str | Unset = UNSET
    n: str | Unset = UNSET
    e: str | Unset = UNSET
    crv: str | Unset = UNSET
    x: str | Unset = UNSET
    y: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kty = self.kty

        kid = self.kid

        use = self.use

        alg = self.alg

        n = self.n

        e = self.e

        crv = self.crv

        x = self.x

        y = self.y

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kty": kty,
            }
        )
        if kid is not UNSET:
            field_dict["kid"] = kid
        if use is not UNSET:
            field_dict["use"] = use
        if alg is not UNSET:
            field_dict["alg"] = alg
        if n is not UNSET:
            field_dict["n"] = n
        if e is not UNSET:
            field_dict["e"] = e
        if crv is not UNSET:
            field_dict["crv"] = crv
        if x is not UNSET:
            field_dict["x"] = x
        if y is not UNSET:
            field_dict["y"] = y

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        kty = d.pop("kty")

        kid = d.pop("kid", UNSET)

        use = d.pop("use", UNSET)

        alg = d.pop("alg", UNSET)

        n = d.pop("n", UNSET)

        e = d.pop("e", UNSET)

        crv = d.pop("crv", UNSET)

        x = d.pop("x", UNSET)

        y = d.pop("y", UNSET)

        json_web_key = cls(
            kty=kty,
            kid=kid,
            use=use,
            alg=alg,
            n=n,
            e=e,
            crv=crv,
            x=x,
            y=y,
        )

        json_web_key.additional_properties = d
        return json_web_key

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
