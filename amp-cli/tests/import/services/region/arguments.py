from itertools import chain
import json, zlib
from urllib.parse import urlparse
from no_such_package import IPAddress
from no_such_package import ascii_url
from no_such_package.utils import typed
from twisted.protocols import amp


class Bytes(amp.Argument):
    @typed
    def toString(self, inObject: bytes):
        return inObject

    def fromString(self, inString):
        return inString


class Choice(amp.Argument):
    def __init__(self, choices, optional=False):
        super().__init__(optional=optional)
        if not isinstance(choices, dict):
            raise TypeError(choices)
        self._encode = {name: value for name, value in choices.items()}
        self._decode = {value: name for name, value in choices.items()}

    def toString(self, inObject):
        return self._encode[inObject]

    def fromString(self, inString):
        return self._decode[inString]


class ParsedURL(amp.Argument):
    def toString(self, inObject):
        return ascii_url(inObject.geturl())

    def fromString(self, inString):
        return urlparse(inString)


class StructureAsJSON(amp.Argument):
    def toString(self, inObject):
        return json.dumps(inObject).encode("ascii")

    def fromString(self, inString):
        return json.loads(inString.decode("ascii"))


class CompressedAmpList(amp.AmpList):
    def toStringProto(self, inObject, proto):
        toStringProto = super().toStringProto
        return zlib.compress(toStringProto(inObject, proto))

    def fromStringProto(self, inString, proto):
        fromStringProto = super().fromStringProto
        return fromStringProto(zlib.decompress(inString), proto)


class AmpDecimal(amp.Decimal):
    pass


class IPAddressA(amp.Argument):
    def toString(self, inObject):
        return IPAddress(inObject).packed

    def fromString(self, inString):
        return IPAddress(inString)
