"""Values that stand for themselves."""

from __future__ import annotations

import ipaddress
import json
import math
from typing import Any, ClassVar

from twisted.protocols import amp

#: The bytes of an address of either version.
LENGTHS = (4, 16)


class Json(amp.Argument):
    """Whatever JSON has, as ASCII text.

    What JSON does not have is an error in both directions: infinities, lone surrogates, and keys that are no
    text, which `json` would write as text. What is received is UTF-8.
    """

    wire_form: ClassVar[str] = "Json"

    def toString(self, inObject: Any) -> bytes:
        text = json.dumps(inObject, separators=(",", ":"), allow_nan=False)
        _check(inObject)
        return text.encode("ascii")

    def fromString(self, inString: bytes) -> Any:
        value = json.loads(inString.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
        _check(value)
        return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is too large for a float")
    return value


def _check(value: Any) -> None:
    """Refuses keys that are no text, and text that no UTF-8 has. Nothing in it is inside of itself."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            value.encode("utf-8")
        elif isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise ValueError(f"{key!r} is no key of JSON, which are text")
                key.encode("utf-8")
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


class OneOf(amp.Argument):
    """One of these texts, and nothing else."""

    wire_form: ClassVar[str] = "OneOf"

    def __init__(self, *texts: str, optional: bool = False) -> None:
        super().__init__(optional)
        self.texts = texts

    def toString(self, inObject: str) -> bytes:
        return self._checked(inObject).encode("utf-8")

    def fromString(self, inString: bytes) -> str:
        return self._checked(inString.decode("utf-8"))

    def _checked(self, text: str) -> str:
        if text not in self.texts:
            raise ValueError(f"{text!r} is none of {', '.join(map(repr, self.texts))}")
        return text


class IpAddress(amp.Argument):
    """An IP address as its 4 or 16 bytes."""

    wire_form: ClassVar[str] = "IpAddressBytes"

    def toString(self, inObject: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
        return inObject.packed

    def fromString(self, inString: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        if len(inString) not in LENGTHS:
            raise ValueError(f"an IP address has 4 or 16 bytes, not {len(inString)}")
        return ipaddress.ip_address(inString)


class IpNetwork(amp.Argument):
    """An IP network: the 4 or 16 bytes of its address, and one with the length of the prefix.

    An address that has bits behind the prefix is read as the network that it is in.
    """

    wire_form: ClassVar[str] = "IpNetworkBytes"

    def toString(self, inObject: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bytes:
        return inObject.network_address.packed + bytes([inObject.prefixlen])

    def fromString(self, inString: bytes) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        if len(inString) - 1 not in LENGTHS:
            raise ValueError(f"an IP network has 5 or 17 bytes, not {len(inString)}")
        return ipaddress.ip_network((inString[:-1], inString[-1]), strict=False)
