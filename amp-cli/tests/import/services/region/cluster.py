"""RPC declarations for clusters."""

__all__ = [
    "ListSupportedArchitectures",
    "ConfigureDHCPv4",
    "ConfigureDHCPv6",
    "Identify",
    "Authenticate",
    "PowerOn",
]

from services.region import exceptions
from services.region.arguments import (
    AmpDecimal,
    Bytes,
    Choice,
    CompressedAmpList,
    IPAddressA,
    ParsedURL,
    StructureAsJSON,
)
from services.region.common import Authenticate, Identify
from twisted.protocols import amp


class ListSupportedArchitectures(amp.Command):
    arguments = []
    response = [
        (b"architectures", amp.AmpList([(b"name", amp.Unicode()), (b"description", amp.Unicode())])),
    ]
    errors = {}


class _ConfigureDHCP(amp.Command):
    """Configure a DHCP server.

    :since: 2.1
    """

    arguments = [
        (b"omapi_key", amp.Unicode()),
        (b"failover_peers", CompressedAmpList([(b"name", amp.Unicode()), (b"mode", amp.Unicode())])),
        (b"shared_networks", StructureAsJSON()),
        (b"interfaces", CompressedAmpList([(b"name", amp.Unicode())])),
        (b"ip", IPAddressA(optional=True)),
        (b"t", AmpDecimal()),
    ]
    response = []
    errors = {exceptions.CannotConfigureDHCP: b"CannotConfigureDHCP"}


class ConfigureDHCPv4(_ConfigureDHCP):
    pass


class ConfigureDHCPv6(_ConfigureDHCP):
    arguments = _ConfigureDHCP.arguments[:-1]


class _Power(amp.Command):
    arguments = [
        (b"system_id", amp.Unicode()),
        (b"context", StructureAsJSON()),
        (b"on", Choice({True: b"on", False: b"off"})),
        (b"url", ParsedURL()),
    ]
    response = []
    errors = {NotImplementedError: b"NotImplementedError", exceptions.NoSuchCluster: b"NoSuchCluster"}


class PowerOn(_Power):
    pass
