"""Values that stand for themselves."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, ClassVar

from twisted.protocols import amp

#: The bytes of an address of either version.
LENGTHS = (4, 16)


class Json(amp.Argument):
    """Whatever JSON has, as ASCII text.

    What JSON does not have, as infinities, is an error in both directions.
    """

    wire_form: ClassVar[str] = "Json"

    def toString(self, inObject: Any) -> bytes:
        return json.dumps(inObject, separators=(",", ":"), allow_nan=False).encode("ascii")

    def fromString(self, inString: bytes) -> Any:
        return json.loads(inString, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


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
