"""Arguments of the shop's own."""

import zlib

from twisted.protocols import amp


class CompressedAmpList(amp.AmpList):
    def toStringProto(self, value, proto):
        return zlib.compress(super().toStringProto(value, proto))

    def fromStringProto(self, data, proto):
        return super().fromStringProto(zlib.decompress(data), proto)
